"""Images of files brought to one size, number of channels and type."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from simgan_jax.data.arrays import digests
from simgan_jax.errors import UserError, warn
from simgan_jax.io import image_files
from simgan_jax.io.pictures import Header, Picture

FITS = ("none", "resize", "crop", "cover")
# Decoded images in memory beside a set, and how often each is there: Pillow's, ours, floats to scale.
DECODED_BYTES, COPIES = 2**30, 8
LEAST_RANGE, MOST_COPIES = 0.1, 0.1
ENOUGH = 3  # times the size that an image is scaled to


def opaque(path: Path, picture: Picture) -> Shaped[np.ndarray, "n h w c"]:
    """The pixels of a picture without its opacity.

    Args:
        path: for the message.
        picture: of a file.

    Raises:
        UserError: partly transparent.
    """
    if picture.alpha is not None and picture.alpha.min() < np.iinfo(picture.alpha.dtype).max:
        raise UserError(f"{path}: partly transparent; put it on a background first")
    return picture.pixels


def threads(headers: Sequence[Header]) -> int:
    """How many files to decode at a time, so that they take about `DECODED_BYTES` or are one."""
    largest = max((header.bytes for header in headers), default=1)
    return max(1, min(os.cpu_count() or 1, DECODED_BYTES // (COPIES * largest)))


def warn_of_unused_range(name: str, images: Shaped[np.ndarray, "n h w c"]) -> None:
    """Names a set whose values are all within a tenth of their range, such as 12 bits in 16."""
    if said := unused_range(images.dtype, int(images.min()), int(images.max())):
        warn(f"{name}: {said}")


def warn_of_copies(name: str, images: Shaped[np.ndarray, "n h w c"]) -> None:
    """Names a set of which more than a tenth of the images are copies of others.

    A set of one image again and again is refused by those who cannot use it.
    """
    copies = len(images) - len(set(digests(images)))
    if MOST_COPIES * len(images) < copies < len(images) - 1:
        warn(
            f"{name}: {copies:,} of {len(images):,} images are copies of others, and count again; "
            "simgan doctor names one"
        )


def unused_range(dtype: np.dtype, low: int, high: int) -> str:
    """What to say of a set whose values are from low to high; "" if they use their type."""
    most = np.iinfo(dtype).max
    if high - low >= LEAST_RANGE * most:
        return ""
    bits = next((bits for bits in (8, 10, 12) if dtype == np.uint16 and 0 < high < 2**bits), 0)
    hint = f"; {bits} bits in 16? Multiply them by {2 ** (16 - bits)}" if bits else ""
    return f"all values are from {low:,} to {high:,}, of 0 to {most:,}{hint}"


def scaled(had: tuple[int, int], want: tuple[int, int], fit: str) -> tuple[int, int]:
    """Height and width that an image is scaled to before it is cut."""
    if fit == "resize" or had == want:
        return want
    if fit != "cover":
        return had
    scale = max(want[0] / had[0], want[1] / had[1])
    return max(want[0], round(had[0] * scale)), max(want[1], round(had[1] * scale))


def enough(header: Header, like: Shaped[np.ndarray, "m h w c"], fit: str) -> tuple[int, int]:
    """Height and width from which an image is scaled as well as from its whole size."""
    had, want = header.shape[1:3], like.shape[1:3]
    to = scaled(had, want, fit)
    return had if to == had else (ENOUGH * to[0], ENOUGH * to[1])


def fitted(
    pixels: Shaped[np.ndarray, "n h w c"],
    like: Shaped[np.ndarray, "m height width channels"],
    fit: str,
) -> Shaped[np.ndarray, "n height width channels"]:
    """Pixels in the size, channels and type of another array.

    Args:
        pixels: uint8 or uint16, not smaller than wanted where `fit` crops.
        like: uint8 or uint16; only its shape and type are looked at.
        fit: "resize" stretches, "crop" takes the middle, "cover" scales until the shorter side fits,
            then takes the middle; "none" is for images that have the size.
    """
    images = np.empty((len(pixels), *like.shape[1:]), like.dtype)
    for image, one in zip(images, pixels, strict=True):  # one by one, which bounds the memory
        image[...] = _fitted(one[None], like, fit)[0]
    return images


def _fitted(
    pixels: Shaped[np.ndarray, "1 h w c"],
    like: Shaped[np.ndarray, "m height width channels"],
    fit: str,
) -> Shaped[np.ndarray, "1 height width channels"]:
    pixels = _with_channels(pixels, like.shape[3])
    height, width = like.shape[1:3]
    size = scaled(pixels.shape[1:3], (height, width), fit)
    if size != pixels.shape[1:3]:
        pixels = _resized(pixels, *size)
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    pixels = pixels[:, top : top + height, left : left + width]
    if pixels.dtype == like.dtype:
        return pixels
    if like.dtype == np.uint16:
        return pixels.astype(np.uint16) * 257
    return np.round(pixels / 257).astype(np.uint8)


def _with_channels(
    pixels: Shaped[np.ndarray, "n h w c"], channels: int
) -> Shaped[np.ndarray, "n h w channels"]:
    if pixels.shape[3] == channels:
        return pixels
    return image_files.luminance(pixels) if channels == 1 else pixels.repeat(3, axis=3)


def _resized(
    pixels: Shaped[np.ndarray, "n h w c"], height: int, width: int
) -> Shaped[np.ndarray, "n height width c"]:
    """Lanczos, with a filter as wide as the step when shrinking; in floats, so that 16 bits stay."""
    resized = np.empty((len(pixels), height, width, pixels.shape[3]), pixels.dtype)
    most = np.iinfo(pixels.dtype).max
    for image, channel in np.ndindex(len(pixels), pixels.shape[3]):
        plane = Image.fromarray(pixels[image, ..., channel].astype(np.float32))
        values = np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS))
        resized[image, ..., channel] = values.round().clip(0, most)
    return resized
