"""What can be refined: the files of a folder, the rows of a data set."""

import hashlib
import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.io.atomic import replacing
from simgan_jax.io.background import ahead
from simgan_jax.io.codecs import JPEG_QUALITY
from simgan_jax.io.pictures import Header, Picture
from simgan_jax.refinement.manifest import NAME as MANIFEST
from simgan_jax.refinement.manifest import Record


@dataclass(frozen=True)
class Options:
    """What can be asked for.

    Attributes:
        shard: (i, n): does every n-th file, from the i-th.
        images: only files whose relative path matches this pattern are refined, others copied.
        copy: files whose relative path matches this pattern are copied, such as "*_mask.png".
        on_error: "stop" at a damaged image, or "skip" it and say so.
        jpeg_quality: 1..95.
        overwrite: take no notice of what another model or other settings left in the output folder.

    Raises:
        UserError: another value.
    """

    shard: tuple[int, int] = (0, 1)
    images: str = ""
    copy: str = ""
    on_error: str = "stop"
    jpeg_quality: int = JPEG_QUALITY
    overwrite: bool = False

    def __post_init__(self):
        if self.on_error not in ("stop", "skip"):
            raise UserError(f"on_error is {self.on_error!r}; one of stop, skip")
        if not 1 <= self.jpeg_quality <= 95:
            raise UserError(f"jpeg_quality is {self.jpeg_quality}, must be in 1..95")


class Entry(NamedTuple):
    """One file of the output.

    Attributes:
        name: relative path.
        source: what changes when the input does; in JSON.
        header: of an image; None for a file that is copied.
        window: height and width refined at once.
    """

    name: str
    source: list[int]
    header: Header | None = None
    window: tuple[int, int] | None = None


class Folder:
    """The files of a folder as input."""

    def __init__(self, folder: Path, options: Options, pool: Executor):
        self.about = {"input": str(folder)}
        self.failed: dict[str, str] = {}
        self._folder, self._options = folder, options
        names = [path.relative_to(folder).as_posix() for path in image_files.walk(folder)]
        names = [name for name in names if not fnmatch(name, f"{MANIFEST}*.json")]
        if not names:
            raise UserError(f"{folder}: no files there")
        entries = ahead(pool, self._entry, names, lambda _: 0)
        self.entries = [entry for entry in entries if entry.name not in self.failed]

    def read(self, entry: Entry) -> Picture | None:
        """Decodes a file; None if it is damaged and to be skipped."""
        return self._guarded(image_files.read, entry.name)

    def copy(self, entry: Entry, target: Path, scratch: Path) -> Record:
        """Copies a file and returns its record."""
        sha = hashlib.sha256()
        with (
            (self._folder / entry.name).open("rb") as source,
            replacing(target, scratch) as file,
            file.open("wb") as copy,
        ):
            while block := source.read(2**20):
                sha.update(block)
                copy.write(block)
        return {"sha256": sha.hexdigest(), "source": entry.source, "action": "copied"}

    def _entry(self, name: str) -> Entry:
        status = (self._folder / name).stat()
        source = [status.st_size, status.st_mtime_ns]
        chosen = fnmatch(name, self._options.images or "*") and not fnmatch(
            name, self._options.copy
        )
        if not chosen or Path(name).suffix.lower() not in image_files.SUFFIXES:
            return Entry(name, source)
        header = self._guarded(image_files.read_header, name)
        floats = header and header.format == "NPY" and header.dtype.startswith("float")
        if floats and not self._options.images:
            raise UserError(
                f"{self._folder / name}: floats, which may be images or labels; say which by "
                "--images=PATTERN or --copy=PATTERN"
            )
        return Entry(name, source, header)

    def _guarded(self, call: Callable[[Path], Any], name: str) -> Any:
        try:
            return call(self._folder / name)
        except UserError as error:
            if self._options.on_error == "stop":
                raise
            self.failed[name] = str(error)
            return None


class Rows:
    """The rows of a data set as input."""

    def __init__(self, arrays: Arrays, name: str):
        if not len(arrays):
            raise UserError(f"{name}: no images")
        if arrays.images.shape[3] not in (1, 3):
            raise UserError(f"{name}: {arrays.images.shape[3]} channels; PNG files have 1 or 3")
        self.about = {"input": name}
        self.failed: dict[str, str] = {}
        self._images = arrays.images
        header = image_files.png(arrays.images[0]).header
        self.entries = [
            Entry(f"{row:07}.png", [row, zlib.crc32(np.ascontiguousarray(image))], header)
            for row, image in enumerate(arrays.images)
        ]

    def read(self, entry: Entry) -> Picture:
        """The picture of a row."""
        return image_files.png(self._images[entry.source[0]])
