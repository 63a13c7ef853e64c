"""What is wrong with a folder of images, found by looking into every file."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simgan_jax.data.fitting import opaque, unused_range
from simgan_jax.errors import UserError, counted
from simgan_jax.io import image_files
from simgan_jax.io.pictures import Header
from simgan_jax.io.progress import progress

NAMED = 20  # files that are named one by one


class Seen(NamedTuple):
    """What a look into a file has shown.

    Attributes:
        path: of the file.
        header: of the file; None if it cannot be used, as are the others.
        dtype: of its pixels.
        values: the least and the greatest of them.
        digest: of all of them.
        fault: why it cannot be used.
    """

    path: Path
    header: Header | None = None
    dtype: np.dtype | None = None
    values: tuple[int, int] | None = None
    digest: bytes | None = None
    fault: str = ""


def check_folder(folder: Path) -> Iterator[str]:
    """Complaints, a line each; the last ones say which settings of the source `folder` help.

    Args:
        folder: that there is.
    """
    files = image_files.walk(folder)
    if left := image_files.unread(files):
        yield f"{folder}: {left}"
    paths = [path for path in files if path.suffix.lower() in image_files.SUFFIXES]
    if not paths:
        yield f"{folder}: no images there ({', '.join(sorted(image_files.SUFFIXES))})"
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("looking", len(paths)) as advance:
        seen = []
        for one in pool.map(_look, paths):
            seen.append(one)
            advance(1)
    faults = [one.fault for one in seen if one.fault]
    yield from faults[:NAMED]
    if faults:
        named = f", {NAMED} of which are named above" if faults[NAMED:] else ""
        yield (
            f"{folder}: {len(faults):,} of {counted(len(paths), 'file')} cannot be used{named}; mend "
            "them, or set on_error=skip to leave them out"
        )
    good = [one for one in seen if not one.fault]
    yield from _mixed(folder, [one.header for one in good])
    yield from _empty(folder, good)
    yield from _copies(good)


def _look(path: Path) -> Seen:
    try:
        picture = image_files.read(path)
        pixels = np.ascontiguousarray(opaque(path, picture))
    except UserError as error:
        return Seen(path, fault=str(error))
    sha = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode())
    sha.update(pixels.data)
    values = int(pixels.min()), int(pixels.max())
    return Seen(path, picture.header, pixels.dtype, values, sha.digest())


def _mixed(folder: Path, headers: list[Header]) -> Iterator[str]:
    """What the images of a folder have not in common."""
    sizes = Counter(header.shape[1:3] for header in headers)
    if len(sizes) > 1:
        small, large = min(sizes), max(sizes)
        yield (
            f"{folder}: images of {len(sizes):,} sizes, {small[1]} x {small[0]} to {large[1]} x "
            f"{large[0]} pixels; set fit to resize, crop or cover"
        )
    channels = Counter(header.shape[3] for header in headers)
    if len(channels) > 1:
        said = " and ".join(f"{n:,} of {c}" for c, n in channels.most_common())
        yield f"{folder}: images of different channels, {said}; set convert=True"
    types = Counter(header.dtype for header in headers)
    if len(types) > 1:
        said = " and ".join(f"{n:,} of {name}" for name, n in types.most_common())
        yield f"{folder}: images of different depths, {said}; set dtype to uint8 or uint16"


def _empty(folder: Path, seen: Sequence[Seen]) -> Iterator[str]:
    """Pictures of one value, as of a simulator that failed, and values that hardly differ at all."""
    plain = [one for one in seen if one.values[0] == one.values[1]]
    if plain:
        yield (
            f"{plain[0].path}: shows nothing, all values are {plain[0].values[0]:,}, as in "
            f"{len(plain):,} of {counted(len(seen), 'picture')}; remove such files"
        )
    if len({one.dtype for one in seen}) == 1 and len(plain) < len(seen):
        low, high = min(one.values[0] for one in seen), max(one.values[1] for one in seen)
        if said := unused_range(seen[0].dtype, low, high):
            yield f"{folder}: {said}"


def _copies(seen: Sequence[Seen]) -> Iterator[str]:
    """Pictures that are there more than once."""
    first: dict[bytes, Path] = {}
    copies = [one for one in seen if first.setdefault(one.digest, one.path) != one.path]
    if copies:
        yield (
            f"{copies[0].path}: is a copy of {first[copies[0].digest].name}, as {len(copies):,} of "
            f"{counted(len(seen), 'picture')} are of others, and counts again; remove such copies"
        )
