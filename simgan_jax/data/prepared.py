"""Reads prepared sets: TFDS's files once, then memory-mapped arrays beside them."""

import json
import secrets
import shutil
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data.builder import ManualBuilder, one_line
from simgan_jax.errors import UserError, printable
from simgan_jax.io.atomic import LEFT_SECONDS, write_json
from simgan_jax.io.progress import progress

ARRAYS, CHECKSUMS = "arrays", "checksums.json"
_BATCH = 512


@dataclass(frozen=True)
class Prepared:
    """A prepared set as arrays.

    Attributes:
        features: by name, arrays [N, ...] of all splits one after the other; texts are left out.
            Images are memory-mapped, read-only.
        splits: the rows of each split.
    """

    features: dict[str, np.ndarray]
    splits: dict[str, slice]

    def labels(
        self, rows: slice | np.ndarray, without: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """The given rows of all features but `image` and those named."""
        left_out = {"image", *without}
        return {name: x[rows] for name, x in self.features.items() if name not in left_out}


def make_builder(
    kind: type[ManualBuilder], data_dir: str | Path | None, config: str | None = None
) -> ManualBuilder:
    """The builder of a set.

    Args:
        kind: its class.
        data_dir: of all sets; None or "" is TFDS's own.
        config: name of a configuration; the first by default.

    Raises:
        UserError: the set is prepared there, and its description is damaged; or a folder whose name is
            no UTF-8, which array_record does not write to.
    """
    if data_dir and printable(str(data_dir)) != str(data_dir):
        raise UserError(f"{data_dir}: its name is no UTF-8; name another place for prepared sets")
    try:
        return kind(data_dir=data_dir or None, config=config)
    except (
        Exception
    ) as error:  # of JSON, protobuf, TFDS: it reads the description of a set that is there
        raise UserError(
            f"{data_dir or 'the folder of TFDS'}: {kind.name} is there and damaged "
            f"({one_line(str(error))[:100]}); delete it and prepare it again"
        ) from error


def open_set(builder: ManualBuilder) -> Prepared:
    """The arrays of a prepared set; the first time, reads them out of TFDS's files.

    Raises:
        UserError: the set is not prepared, or its files are damaged.
    """
    folder = Path(builder.data_dir)
    if not builder.is_prepared():
        name = builder.info.full_name.rpartition("/")[0]
        root = folder.parents[len(name.split("/"))]
        raise UserError(
            f"{name} is not prepared in {root}. {one_line(builder.MANUAL_DOWNLOAD_INSTRUCTIONS)} Then "
            f"run: python -m simgan_jax.data.prepare {name} --manual_dir=FOLDER --data_dir={root}"
        )
    try:
        features = _cached(builder) or _cache(builder)
    except Exception as error:  # what the readers raise on damaged files is not documented
        raise UserError(
            f"{folder}: damaged ({one_line(str(error))[:100]}); delete it and prepare it again"
        ) from error
    counts = [len(values) for values in features.values()]
    splits, start = {}, 0
    for name in sorted(builder.info.splits):
        splits[name] = slice(start, start + builder.info.splits[name].num_examples)
        start = splits[name].stop
    if set(counts) != {start}:
        raise UserError(
            f"{folder / ARRAYS}: other rows than the set's {start:,}; delete that folder"
        )
    return Prepared(features, splits)


def centre_crop(
    images: Shaped[np.ndarray, "n h w *c"], height: int, width: int
) -> tuple[Shaped[np.ndarray, "n height width *c"], int, int]:
    """The middle of images, as a view, and the row and column where it begins.

    An odd rest leaves one more row below, one more column to the right.

    Raises:
        UserError: the images are smaller.
    """
    spare_rows, spare_columns = images.shape[1] - height, images.shape[2] - width
    if min(spare_rows, spare_columns) < 0 or min(height, width) < 1:
        raise UserError(
            f"images of {images.shape[1]} x {images.shape[2]} (height x width) are prepared, "
            f"{height} x {width} asked for; ask for that size or a smaller one"
        )
    top, left = spare_rows // 2, spare_columns // 2
    return images[:, top : top + height, left : left + width], top, left


def _cached(builder: ManualBuilder) -> dict[str, np.ndarray] | None:
    """The arrays beside a set, or None if there are none or one is damaged."""
    folder = Path(builder.data_dir) / ARRAYS
    try:
        features = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _numeric(builder)
        }
        # Those that 0.1.0 made have no checksums.
        if (folder / CHECKSUMS).exists():
            wanted = json.loads((folder / CHECKSUMS).read_text())
            if wanted != _checksums(folder):
                raise ValueError("not what was written")
    except (OSError, ValueError, EOFError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    # Labels are small and read at random.
    return {name: x if x.ndim > 2 else np.array(x) for name, x in features.items()}


def _cache(builder: ManualBuilder) -> dict[str, np.ndarray]:
    """Copies TFDS's files into arrays on disk; into memory where that cannot be written."""
    folder = Path(builder.data_dir) / ARRAYS
    temporary = folder.with_name(f"{ARRAYS}.{secrets.token_hex(8)}.tmp")
    try:
        temporary.mkdir()
    except OSError:
        return _read(builder, None)
    try:
        for killed in folder.parent.glob(f"{ARRAYS}.*.tmp"):
            if time.time() - killed.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(killed, ignore_errors=True)
        _read(builder, temporary)
        write_json(temporary / CHECKSUMS, _checksums(temporary))
        with suppress(OSError):  # another process was faster
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _cached(builder) or _read(builder, None)


def _checksums(folder: Path) -> dict[str, int]:
    """CRC-32 of each array's file, read in pieces."""
    found = {}
    for path in sorted(folder.glob("*.npy")):
        crc = 0
        with path.open("rb") as file:
            while block := file.read(2**20):
                crc = zlib.crc32(block, crc)
        found[path.name] = crc
    return found


def _numeric(builder: ManualBuilder) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of each feature that is no text."""
    features = builder.info.features.items()
    texts = (object, str, bytes)
    return {name: (x.shape, x.np_dtype) for name, x in features if x.np_dtype not in texts}


def _read(builder: ManualBuilder, folder: Path | None) -> dict[str, np.ndarray]:
    """All splits, one after the other, in files or in memory."""
    splits = sorted(builder.info.splits)
    total = sum(builder.info.splits[name].num_examples for name in splits)
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (total, *shape))
        if folder
        else np.empty((total, *shape), dtype)
        for name, (shape, dtype) in _numeric(builder).items()
    }
    row = 0
    with progress(f"reading {builder.info.full_name}", total) as advance:
        for split in splits:
            source = builder.as_data_source(split)
            for start in range(0, len(source), _BATCH):
                batch = source.__getitems__(range(start, min(start + _BATCH, len(source))))
                for name, values in arrays.items():
                    values[row : row + len(batch)] = [example[name] for example in batch]
                row += len(batch)
                advance(len(batch))
    return arrays
