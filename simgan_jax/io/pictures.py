"""What an image file holds: its header, and its pixels as integers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from simgan_jax.io import orientation


@dataclass(frozen=True)
class Header:
    """What a file holds, known without decoding its pixels.

    Attributes:
        format: PNG, JPEG, TIFF, BMP or NPY.
        mode: L, LA, P, RGB or RGBA, with ";16" for 16 bits a channel and ";F" for floats.
        dtype: of the file's pixels: uint8, uint16, or a float (values in [0, 1]).
        shape: (images, height, width, channels without alpha), as shown; one image but for NPY and
            TIFF.
        alpha: whether a channel of opacity follows the others.
        orientation: what the file says of how to show it, a key of `orientation.TURNS`.
    """

    format: str
    mode: str
    dtype: str
    shape: tuple[int, int, int, int]
    alpha: bool = False
    orientation: int = orientation.UPRIGHT

    @property
    def bytes(self) -> int:
        """Of all values, opacity too."""
        values = math.prod(self.shape[:3]) * (self.shape[3] + self.alpha)
        return values * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Attributes:
        header: of the file.
        pixels: uint8 or uint16 (also for floats), full range, turned as the file says; 0 is black.
        alpha: opacity of the same type, or None.
        about: what else the file holds, in the form of its format's module: orientation, resolution,
            colour profile, texts. It is written again as it is.
    """

    header: Header
    pixels: Shaped[np.ndarray, "n h w c"]
    alpha: Shaped[np.ndarray, "n h w 1"] | None = None
    about: Any = None


class Unsupported(ValueError):
    """A file is whole, but of a kind that is not supported."""


def header_of(
    form: str,
    shape: tuple[int, int, int, int],
    dtype: str | np.dtype,
    palette: bool = False,
    orient: int = orientation.UPRIGHT,
) -> Header:
    """The header of samples [N, H, W, 1..4]; the second or fourth is opacity.

    Args:
        form: of the file, as in `Header`.
        shape: of the samples, as stored.
        dtype: of the samples.
        palette: whether they are looked up in one.
        orient: what the file says of how to show them.
    """
    alpha = shape[3] in (2, 4)
    channels = shape[3] - alpha
    mode = "P" if palette else {1: "L", 3: "RGB"}[channels] + ("A" if alpha else "")
    depth = {"uint8": "", "uint16": ";16"}.get(str(dtype), ";F")
    size = orientation.size(*shape[1:3], orient)
    return Header(form, mode + depth, str(dtype), (shape[0], *size, channels), alpha, orient)


def picture_of(
    header: Header, samples: Shaped[np.ndarray, "n h w samples"], about: Any = None
) -> Picture:
    """Turns samples as shown, cuts off opacity, and makes integers of floats.

    Raises:
        ValueError: of another size than the header says.
        Unsupported: floats outside [0, 1].
    """
    samples = orientation.shown(samples, header.orientation)
    if samples.shape[:3] != header.shape[:3]:
        raise ValueError(f"{samples.shape} values, expected {header.shape}")
    integers = np.empty(samples.shape, np.uint8 if header.dtype == "uint8" else np.uint16)
    if np.issubdtype(samples.dtype, np.floating):
        if not (samples.min() >= 0 and samples.max() <= 1):  # also for NaN
            raise Unsupported(
                f"floats from {samples.min():.4g} to {samples.max():.4g}; scale them to [0, 1]"
            )
        for image, values in zip(integers, samples, strict=True):
            image[...] = np.round(values.astype(np.float64) * 65535)
    else:
        integers[...] = samples
    samples = integers
    alpha = samples[..., -1:] if header.alpha else None
    return Picture(header, samples[..., : header.shape[3]], alpha, about)


def samples_of(picture: Picture) -> Shaped[np.ndarray, "n h w samples"]:
    """Colours and opacity together, in the type and orientation of the picture's file."""
    parts = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    samples = orientation.stored(np.concatenate(parts, axis=-1), picture.header.orientation)
    if np.issubdtype(picture.header.dtype, np.floating):
        samples = (samples / np.float64(65535)).astype(picture.header.dtype)
    return samples
