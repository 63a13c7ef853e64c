"""Arrays on disk that took long to make and can be made again."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from simgan_jax.errors import CannotWrite
from simgan_jax.io.atomic import replacing
from simgan_jax.io.user_cache import private_folder

# Of all files; the least recently used go first. One set takes half of it at most.
LARGEST_BYTES = 2**30

_keeping = False


def keep_arrays() -> None:
    """Lets this process keep arrays in the user's cache folder, where that can be written.

    Not if JAX_ENABLE_COMPILATION_CACHE says that nothing is kept.
    """
    global _keeping
    off = ("0", "n", "no", "f", "false", "off")
    _keeping = os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "1").lower() not in off


def kept(key: str, make: Callable[[], Mapping[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    """The arrays of a key, read if they are there whole, made and perhaps written otherwise.

    Processes may do so at the same time: a file appears whole, and its arrays have checksums.

    Args:
        key: a file's name, that differs where anything does which the arrays depend on.
        make: makes them.
    """
    folder = private_folder("drawn") if _keeping else None
    if folder is None:
        return make()
    path = folder / f"{key}.npz"
    with suppress(Exception):  # of NumPy, zipfile and zlib, on a damaged file or none
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        os.utime(path)
        return arrays
    arrays = make()
    if sum(x.nbytes for x in arrays.values()) <= LARGEST_BYTES // 2:
        with suppress(CannotWrite), replacing(path, forced=False) as temporary:
            np.savez(temporary, **arrays)
        _make_room(folder)
    return arrays


def _make_room(folder: Path) -> None:
    """Removes the least recently used files beyond the bound."""
    left = LARGEST_BYTES
    with suppress(OSError):  # another process removes them, too
        files = [(path.stat(), path) for path in folder.glob("*.npz")]
        for status, path in sorted(files, key=lambda file: -file[0].st_mtime_ns):
            left -= status.st_size
            if left < 0:
                path.unlink(missing_ok=True)
