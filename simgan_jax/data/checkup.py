"""What is wrong with a folder of images, found by looking into every file."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.io.pictures import Header, Picture
from simgan_jax.io.progress import progress


def check_folder(folder: Path) -> Iterator[str]:
    """Complaints, a line each; the last ones say which settings of the source `folder` help.

    Args:
        folder: that there is.
    """
    files = image_files.walk(folder)
    foreign = [path for path in files if path.suffix.lower() in image_files.FOREIGN]
    if foreign:
        yield (
            f"{foreign[0]}: a format that is not read, as {len(foreign):,} files have; convert them to "
            "PNG or TIFF"
        )
    paths = [path for path in files if path.suffix.lower() in image_files.SUFFIXES]
    if not paths:
        yield f"{folder}: no images there ({', '.join(sorted(image_files.SUFFIXES))})"
        return
    headers, faults = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("looking", len(paths)) as advance:
        for header, fault in pool.map(_look, paths):
            headers += [header] if header else []
            faults += [fault] if fault else []
            advance(1)
    if faults:
        yield f"{faults[0]}; {len(faults):,} of {len(paths):,} files are damaged (on_error=skip)"
    yield from _mixed(folder, headers)


def _look(path: Path) -> tuple[Header | None, str]:
    """The header of a file, and what is wrong with it."""
    try:
        picture = image_files.read(path)
    except UserError as error:
        return None, str(error)
    return picture.header, _transparent(path, picture)


def _transparent(path: Path, picture: Picture) -> str:
    if picture.alpha is None or picture.alpha.min() == picture.alpha.max():
        return ""
    return f"{path}: partly transparent; put it on a background first"


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
