"""Images of files brought to one size, number of channels and type."""

from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.io.pictures import Picture

FITS = ("none", "resize", "crop", "cover")


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
    pixels = _with_channels(pixels, like.shape[3])
    height, width = like.shape[1:3]
    h, w = pixels.shape[1:3]
    if (h, w) != (height, width):
        if fit == "resize":
            pixels = _resized(pixels, height, width)
        if fit == "cover":
            scale = max(height / h, width / w)
            pixels = _resized(pixels, max(height, round(h * scale)), max(width, round(w * scale)))
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
    planes = np.moveaxis(pixels, 3, 1).astype(np.float32).reshape(-1, *pixels.shape[1:3])
    resize = lambda x: Image.fromarray(x).resize((width, height), Image.Resampling.LANCZOS)  # noqa: E731
    planes = np.stack([np.asarray(resize(plane)) for plane in planes])
    planes = planes.round().clip(0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    return np.moveaxis(planes.reshape(len(pixels), -1, height, width), 1, 3)
