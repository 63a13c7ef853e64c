"""What can be refined: the files of a folder, the rows of a data set."""

import hashlib
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simgan_jax.data import Arrays
from simgan_jax.errors import CannotWrite, UserError, regular
from simgan_jax.io import image_files
from simgan_jax.io.atomic import replacing
from simgan_jax.io.background import ahead
from simgan_jax.io.codecs import JPEG_QUALITY
from simgan_jax.io.pictures import Header, Picture
from simgan_jax.refinement import label_pictures
from simgan_jax.refinement.manifest import NAME as MANIFEST
from simgan_jax.refinement.manifest import Record

# Of a data set, beside its pictures.
LABELS = "labels.npz"


@dataclass(frozen=True)
class Options:
    """What can be asked for.

    Attributes:
        shard: (i, n): does every n-th file, from the i-th.
        images: only files whose relative path matches one of these patterns are refined, and without
            being asked about, others copied; commas between patterns.
        copy: files whose relative path matches one of these patterns are copied, such as "*_mask.png".
        on_error: "stop" at a file that cannot be read, or "skip" it and say so.
        jpeg_quality: 1..95.
        overwrite: replace what another input, another model or other settings left in the output.

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

    @property
    def action(self) -> str:
        """What is done with it, for the manifest."""
        return "refined" if self.header else "copied"


class Folder:
    """The files of a folder as input.

    Attributes:
        about: for the manifest.
        entries: all files that come out.
        failed: files left out, and why.
    """

    def __init__(
        self,
        folder: Path,
        options: Options,
        pool: Executor,
        sizes: Iterable[tuple[int, int]] = (),
    ):
        """Looks at every file's header, and into a few pictures of each kind.

        Args:
            folder: to read.
            options: see `Options`.
            pool: of threads.
            sizes: heights and widths that pictures are known to have.

        Raises:
            UserError: no picture that can be refined; one that is damaged, of another format or looks
                like labels, unless the options say what to do.
        """
        self.about = {"input": str(folder)}
        self.failed: dict[str, str] = {}
        self._folder, self._options = folder, options
        names = [path.relative_to(folder).as_posix() for path in image_files.walk(folder)]
        names = [name for name in names if not fnmatch(name, f"{MANIFEST}*.json")]
        if not names:
            raise UserError(f"{folder}: no files there")
        found = list(ahead(pool, self._entry, names, lambda _: 0))
        self._stop_if_failed()
        self.entries = [entry for entry in found if entry]
        headers = {entry.name: entry.header for entry in self.entries if entry.header}
        if not headers:
            skipped = f", {len(self.failed):,} cannot be read" if self.failed else ""
            chosen = " with these --images and --copy" if options.images or options.copy else ""
            raise UserError(
                f"{folder}: none of {len(names):,} files is a picture to refine{chosen}{skipped} "
                f"({', '.join(sorted(image_files.SUFFIXES))})"
            )
        if not options.images:
            self._ask(label_pictures.by_names(headers, sizes))
            samples = _samples(headers)
            seen = ahead(pool, lambda name: (name, self._labels(name)), samples, lambda _: 0)
            self._ask({name: reason for name, reason in seen if reason})
            self._stop_if_failed()

    def read(self, entry: Entry) -> Picture | None:
        """Decodes a file; None if it is damaged and to be skipped.

        Raises:
            UserError: it is damaged or is not what it was, or looks like labels, unless the options say
                what to do.
        """
        picture = self._guarded(image_files.read, entry.name)
        if picture and picture.header != entry.header:
            path = self._folder / entry.name
            self.failed[entry.name] = f"{path}: has changed meanwhile; run the command again"
            picture = None
        if picture and not self._options.images:
            self._ask({entry.name: _labels(picture)})
        self._stop_if_failed()
        return picture

    def copy(self, entry: Entry, target: Path, scratch: Path) -> Record | None:
        """Copies a file and returns its record; None if it cannot be read and is to be skipped.

        Raises:
            UserError: it cannot be read, unless the options say what to do; or it cannot be written.
        """
        sha = hashlib.sha256()

        def copied(path: Path) -> Record:
            with replacing(target, scratch, forced=False) as file, file.open("wb") as copy:
                for block in _blocks(path):
                    sha.update(block)
                    copy.write(block)
            return {"sha256": sha.hexdigest(), "source": entry.source, "action": entry.action}

        record = self._guarded(copied, entry.name)
        self._stop_if_failed()
        return record

    def _entry(self, name: str) -> Entry | None:
        status = self._guarded(_status, name)
        if status is None:
            return None
        source = [status.st_size, status.st_mtime_ns]
        chosen = _matches(name, self._options.images or "*")
        chosen = chosen and not _matches(name, self._options.copy)
        suffix = Path(name).suffix.lower()
        if chosen and not suffix and (form := image_files.picture_format(self._folder / name)):
            self.failed[name] = f"{self._folder / name}: a {form} without a suffix; give it one"
            return None
        if not chosen or suffix not in image_files.SUFFIXES | image_files.FOREIGN:
            return Entry(name, source)
        header = self._guarded(image_files.read_header, name)
        if header is None and suffix in image_files.FOREIGN:
            self.failed[name] = (
                f"{self._folder / name}: {suffix[1:].upper()} is not read; convert it to PNG or TIFF"
            )
        return header and Entry(name, source, header)

    def _labels(self, name: str) -> str:
        picture = self._guarded(image_files.read, name)
        return _labels(picture) if picture else ""

    def _ask(self, reasons: Mapping[str, str]) -> None:
        reasons = {name: reason for name, reason in reasons.items() if reason}
        if reasons:
            first = min(reasons)
            raise UserError(
                f"{self._folder / first}: {reasons[first]}, which may be labels{_more(reasons)}; say "
                "which files are labels by --copy=PATTERN, or which are pictures by --images=PATTERN"
            )

    def _guarded(self, call: Callable[[Path], Any], name: str) -> Any:
        try:
            return call(self._folder / name)
        except CannotWrite:  # no fault of the file that is read
            raise
        except UserError as error:
            self.failed[name] = str(error)
            return None

    def _stop_if_failed(self) -> None:
        if self.failed and self._options.on_error == "stop":
            first = min(self.failed)
            raise UserError(
                f"{self.failed[first]}{_more(self.failed)}; or leave such files out with "
                "--on_error=skip, or copy them as they are with --copy=PATTERN"
            )


def _matches(name: str, patterns: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns.split(","))


def _status(path: Path) -> os.stat_result:
    """Size and time of a file that can be read.

    Raises:
        UserError: it cannot.
    """
    status = regular(path)
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: may not be read; change its permissions")
    return status


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                yield block
    except OSError as error:
        raise UserError(f"{path}: cannot be read any more ({error.strerror})") from error


def _samples(headers: Iterable[str]) -> list[str]:
    """The first and the last file of each kind of name."""
    groups: dict[str, list[str]] = {}
    for name in sorted(headers):
        groups.setdefault(label_pictures.group(name), []).append(name)
    return sorted({name for names in groups.values() for name in (names[0], names[-1])})


def _labels(picture: Picture) -> str:
    """Why a picture looks like labels; a JPEG never does, since none survives its losses."""
    return "" if picture.header.format == "JPEG" else label_pictures.by_pixels(picture.pixels)


def _more(names: Collection[str]) -> str:
    return f" (and {len(names) - 1:,} more such)" if len(names) > 1 else ""


class Rows:
    """The rows of a data set as input."""

    def __init__(self, arrays: Arrays, name: str):
        if not len(arrays):
            raise UserError(f"{name}: no images")
        if arrays.images.shape[3] not in (1, 3):
            raise UserError(f"{name}: {arrays.images.shape[3]} channels; PNG files have 1 or 3")
        self.about = {"input": name}
        self.failed: dict[str, str] = {}
        self._images, self._labels = arrays.images, arrays.labels
        header = image_files.png(arrays.images[0]).header
        self.entries = [
            Entry(f"{row:07}.png", [row, zlib.crc32(np.ascontiguousarray(image))], header)
            for row, image in enumerate(arrays.images)
        ]
        if arrays.labels:
            checksums = [zlib.crc32(np.ascontiguousarray(x)) for x in arrays.labels.values()]
            self.entries += [Entry(LABELS, checksums)]

    def read(self, entry: Entry) -> Picture:
        """The picture of a row."""
        return image_files.png(self._images[entry.source[0]])

    def copy(self, entry: Entry, target: Path, scratch: Path) -> Record:
        """Writes the labels of all rows and returns the file's record."""
        with replacing(target, scratch, forced=False) as file, file.open("wb") as stream:
            np.savez_compressed(stream, **self._labels)
        sha256 = hashlib.sha256(target.read_bytes()).hexdigest()
        return {"sha256": sha256, "source": entry.source, "action": entry.action}
