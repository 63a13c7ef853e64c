"""Any folder of images as a data set without labels."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.fitting import (
    FITS,
    enough,
    fitted,
    opaque,
    threads,
    warn_of_copies,
    warn_of_unused_range,
)
from simgan_jax.errors import UserError, counted, warn
from simgan_jax.io import image_files
from simgan_jax.io.pictures import Header
from simgan_jax.io.progress import progress


class File(NamedTuple):
    """An image file and its first row among the images; npy and TIFF files may hold several."""

    path: Path
    header: Header
    row: int


def load(
    path: str,
    height: int = 0,
    width: int = 0,
    channels: int = 0,
    fit: str = "none",
    on_error: str = "stop",
    convert: bool = False,
    dtype: str = "",
    pattern: str = "*",
    count: int = 0,
) -> Arrays:
    """Reads every PNG, JPEG, TIFF, BMP and npy image below a folder, sorted by path.

    Beside the images that are returned, a gigabyte of decoded files is in memory, or one file.

    Args:
        path: of the folder; hidden files are left out.
        height: of the images in pixels; 0 takes that of the files.
        width: of the images in pixels; 0 takes that of the files.
        channels: 1 or 3; 0 takes that of the files.
        fit: what to do with images of another size: "none" stops, "resize" stretches, "crop" takes the
            middle, "cover" scales until the shorter side fits, then takes the middle.
        on_error: "stop" at a damaged image, or "skip" it and say so.
        convert: turn colour to grey (ITU-R BT.601 luminance) and grey to colour where `channels` asks.
        dtype: "uint8" or "uint16" to convert; "" keeps 16 bits if a file has them, or floats.
        pattern: only files whose path below the folder matches it, such as "*/left/*.png".
        count: the first so many images; 0 takes all.

    Returns:
        uint8 or uint16 images [N, height, width, channels], turned as files say; opaque alpha channels
        are dropped.

    Raises:
        UserError: no images there, a damaged one, mixed sizes or channels, transparency.
    """
    for name, value, known in (
        ("fit", fit, FITS),
        ("on_error", on_error, ("stop", "skip")),
        ("dtype", dtype, ("", "uint8", "uint16")),
    ):
        if value not in known:
            raise UserError(f"data source folder: {name} is {value!r}; one of {', '.join(known)}")
    if not path:
        raise UserError("data source folder: path is empty; name the folder of the images")
    paths = image_files.find(path, pattern)

    failures: dict[Path, UserError] = {}

    def attempt(call: Callable, path: Path, *arguments):
        try:
            return call(path, *arguments)
        except UserError as error:
            if on_error == "stop":
                raise
            failures[path] = error
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        headers = pool.map(lambda p: attempt(image_files.read_header, p), paths)
        files, total = _rows(paths, headers, count)
    _check_channels(files, channels, convert)
    height, width = _check_sizes(files, height, width, fit)
    channels = channels or (files[0].header.shape[3] if files else 1)
    deep = any(file.header.dtype != "uint8" for file in files)
    images = np.empty((total, height, width, channels), dtype or ("uint16" if deep else "uint8"))
    good = np.ones(total, bool)

    def fill(file: File) -> int:
        rows = slice(file.row, min(file.row + file.header.shape[0], total))
        picture = attempt(image_files.read, file.path, enough(file.header, images, fit))
        pixels = picture and attempt(opaque, file.path, picture)
        if pixels is None:
            good[rows] = False
        else:
            images[rows] = fitted(pixels[: rows.stop - rows.start], images, fit)
        return rows.stop - rows.start

    workers = threads([file.header for file in files])
    with ThreadPoolExecutor(workers) as pool, progress(f"reading {path}", total) as advance:
        try:
            for done in pool.map(fill, files):
                advance(done)
        except UserError:
            pool.shutdown(cancel_futures=True)
            raise
    if failures:
        _say_skipped(path, failures, len(paths))
    images = images if good.all() else images[good]
    warn_of_unused_range(path, images)
    warn_of_copies(path, images)
    return Arrays(images)


def _rows(paths: list[Path], headers, count: int) -> tuple[list[File], int]:
    """The readable files up to `count` images, and the number of images."""
    files, total = [], 0
    for path, header in zip(paths, headers, strict=True):
        if header and not (count and total >= count):
            files.append(File(path, header, total))
            total += header.shape[0]
    return files, min(total, count) if count else total


def _check_channels(files: list[File], channels: int, convert: bool) -> None:
    """Raises UserError if channels are mixed, or not those asked for, and are not to be converted."""
    counts = Counter()
    for file in files:
        counts[file.header.shape[3]] += file.header.shape[0]
    if convert or not counts or set(counts) == {channels}:
        return
    usual = counts.most_common()[0][0]
    if len(counts) > 1:
        odd = next(file for file in files if file.header.shape[3] != usual)
        raise UserError(
            f"{odd.path}: {odd.header.shape[3]} channels, the other {counts[usual]:,} images have "
            f"{usual}; convert it, or set convert=True for the folder"
        )
    if channels:
        raise UserError(
            f"{files[0].path.parent}: images have {counted(usual, 'channel')}, {channels} asked for; "
            f"set channels to {usual}, or convert=True for the folder"
        )


def _check_sizes(files: list[File], height: int, width: int, fit: str) -> tuple[int, int]:
    """The size of the set; UserError for a file that cannot be brought to it."""
    if fit != "none" and not (height and width):
        raise UserError(f"data source folder: fit {fit!r} needs height and width")
    if files:
        height, width = height or files[0].header.shape[1], width or files[0].header.shape[2]
    for file in files:
        h, w = file.header.shape[1:3]
        if fit == "none" and (h, w) != (height, width):
            raise UserError(
                f"{file.path}: {w} x {h} pixels, expected {width} x {height}; set fit to resize, crop "
                "or cover"
            )
        if fit == "crop" and (h < height or w < width):
            raise UserError(
                f"{file.path}: {w} x {h} pixels, too small to crop {width} x {height}; set fit to "
                "resize or cover"
            )
    return height, width


def _say_skipped(path: str, failures: dict[Path, UserError], total: int) -> None:
    first = failures[min(failures)]
    if len(failures) == total:
        raise UserError(f"{path}: none of {total:,} images is readable; first {first}")
    warn(f"{path}: skipped {len(failures):,} of {total:,} files; first {first}")
