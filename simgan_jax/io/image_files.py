"""Image files found, read as integers and written as they were; and a grid of images as one."""

import os
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from jaxtyping import Array, Shaped

from simgan_jax.errors import UserError, counted, warn
from simgan_jax.io.atomic import write_bytes
from simgan_jax.io.codecs import encode, opened
from simgan_jax.io.pictures import Header, Picture, header_of, picture_of
from simgan_jax.ranges import from_unit

# What every run leaves in its folder, and every job of `refine`, over or not.
RUN, REFINED = {"config.json", "environment.json"}, ("refine_manifest*.json", ".refine")
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"}
# Pictures and films too, which are not read.
FOREIGN = {
    *(".apng", ".arw", ".avif", ".cr2", ".cr3", ".dcm", ".dds", ".dng", ".exr", ".gif", ".hdr"),
    *(".heic", ".heif", ".ico", ".j2k", ".jfif", ".jp2", ".jxl", ".nef", ".orf", ".pbm", ".pfm"),
    *(".pgm", ".pnm", ".ppm", ".psd", ".raf", ".raw", ".rw2", ".svg", ".tga", ".webp", ".xcf"),
    *(".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"),
}


def find(folder: str | Path, pattern: str = "*") -> list[Path]:
    """All image files below a folder by their suffix, sorted; hidden files and folders left out.

    Pictures that are not read are counted in a warning.

    Args:
        folder: to look in.
        pattern: that paths below the folder match.

    Raises:
        UserError: no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "a file, where a folder is expected" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {what}")
    named = [p for p in walk(folder) if fnmatch(p.relative_to(folder).as_posix(), pattern)]
    paths = [p for p in named if p.suffix.lower() in SUFFIXES]
    left = unread(named)
    if not paths:
        what = "images there" if pattern == "*" else f"image there matches {pattern!r}"
        known = ", ".join(sorted(SUFFIXES))
        raise UserError(f"{folder}: no {what} ({known})" + (left and f"; {left}"))
    if left:
        warn(f"{folder}: left out {left}")
    return paths


def unread(paths: Iterable[Path]) -> str:
    """Which of some files are pictures and yet not read, in words; "" if none is."""
    found = [
        path
        for path in paths
        if path.suffix.lower() in FOREIGN or (not path.suffix and picture_format(path))
    ]
    if not found:
        return ""
    return (
        f"{counted(len(found), 'picture')} of formats that are not read, or without a suffix, first "
        f"{found[0]}; save them as PNG"
    )


def picture_format(path: Path) -> str:
    """The format of a file that is a picture which can be read, whatever its name; "" of any other."""
    try:
        return read_header(path).format
    except UserError:
        return ""


def walk(folder: str | Path) -> list[Path]:
    """All files below a folder, sorted, but for hidden ones and what this package has written.

    Hidden folders are left out, and with a warning the folders of runs and of refined images below this
    one. Links to folders are followed, each folder once.

    Raises:
        UserError: a folder that cannot be read.
    """
    paths, seen = [], {os.path.realpath(folder)}
    for top, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        candidates, folders[:] = sorted(folders), []
        for name in candidates:
            real = os.path.realpath(Path(top, name))
            if name[0] == "." or real in seen:
                continue
            seen.add(real)
            if is_output(real):
                warn(
                    f"{Path(top, name)}: holds a run or refined images, which are not read; left out"
                )
            else:
                folders.append(name)
        paths += [os.path.join(top, name) for name in names if name[0] != "."]
    return [Path(path) for path in sorted(paths)]


def is_output(folder: str | Path) -> bool:
    """Whether a folder holds a run of this package, or images that it has refined: no one's data."""
    try:
        names = set(os.listdir(folder))
    except OSError:  # said by who reads it
        return False
    return names >= RUN or any(fnmatch(name, pattern) for name in names for pattern in REFINED)


def _unreadable(error: OSError) -> None:
    raise UserError(
        f"{error.filename}: cannot be read ({error.strerror}); change its permissions"
    ) from error


def read_header(path: str | Path) -> Header:
    """What a file holds; its pixels are not decoded and may still be damaged.

    Raises:
        UserError: not readable, or of a kind that is not supported, with what to do.
    """
    with opened(Path(path)) as (header, _):
        return header


def read(path: str | Path, least: tuple[int, int] = (0, 0)) -> Picture:
    """Decodes a file.

    Args:
        path: of the file.
        least: height and width that suffice; a JPEG file is then decoded at a half, a quarter or an
            eighth of its size, which is faster. (0, 0) for the whole size.

    Raises:
        UserError: as `read_header`, or damaged, or floats outside [0, 1].
    """
    with opened(Path(path)) as (header, decode):
        return decode(least=least) if header.format == "JPEG" else decode()


def write(path: str | Path, picture: Picture) -> None:
    """Writes a picture in the format of its header, whatever the suffix; the file appears whole."""
    write_bytes(path, encode(picture))


def write_image(path: str | Path, pixels: Shaped[np.ndarray, "h w c"]) -> None:
    """Writes a uint8 or uint16 array with 1 or 3 channels as PNG."""
    write(path, png(pixels))


def png(pixels: Shaped[np.ndarray, "h w c"]) -> Picture:
    """The picture that is written as PNG for a uint8 or uint16 array with 1 or 3 channels."""
    return picture_of(header_of("PNG", (1, *pixels.shape), pixels.dtype), pixels[None])


def luminance(pixels: Shaped[np.ndarray, "n h w 3"]) -> Shaped[np.ndarray, "n h w 1"]:
    """ITU-R BT.601 luma of RGB, as JPEG uses it; grey stays exactly as it is."""
    weights = np.float32([0.299, 0.587, 0.114])
    return np.round(pixels @ weights).astype(pixels.dtype)[..., None]


# An image of a grid is enlarged by a whole factor up to about this many pixels in width.
GRID_WIDTH = 192
GAP = 2  # pixels between its images


def grid(
    images: Shaped[Array, "rows columns h w c"], gap: int = GAP, scale: int | None = None
) -> Shaped[np.ndarray, "height width c"]:
    """One picture of rows and columns of images, their values unchanged, on white.

    Args:
        images: uint8, uint16, or floats in [-1, 1] (which become uint8).
        gap: pixels between images; `GAP` is what readers of stored grids expect.
        scale: whole factor by which pixels are repeated; by default what suits a screen.
    """
    images = np.asarray(images)
    if not np.issubdtype(images.dtype, np.integer):
        images = from_unit(images, np.uint8)
    rows, columns, height, width, channels = images.shape
    scale = scale or max(1, GRID_WIDTH // width)
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    padded = np.pad(
        images,
        ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)),
        constant_values=np.iinfo(images.dtype).max,
    )
    picture = padded.transpose(0, 2, 1, 3, 4).reshape(
        rows * (height * scale + gap), columns * (width * scale + gap), channels
    )
    return picture[: picture.shape[0] - gap, : picture.shape[1] - gap]
