"""NPY: arrays of one image or many; an array has no orientation and no colour profile."""

import io
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

import numpy as np

from simgan_jax.io.pictures import (
    Header,
    Picture,
    Unsupported,
    header_of,
    picture_of,
    samples_of,
)

MAGIC = (b"\x93NUMPY",)


def opened(file: BinaryIO) -> tuple[Header, Callable[[], Picture]]:
    """See `codecs.opened`; the array is memory-mapped."""
    array = np.load(file.name, mmap_mode="r", allow_pickle=False)
    if array.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise Unsupported(f"{array.dtype}; save it as uint8, uint16, or floats in [0, 1]")
    shape = array.shape
    if len(shape) == 2 or (len(shape) == 3 and shape[2] > 4):
        shape = (*shape, 1)
    shape = (1, *shape) if len(shape) == 3 else shape
    if len(shape) != 4 or shape[3] > 4 or 0 in shape:
        raise Unsupported(
            f"shape {array.shape}; must be [H, W], [H, W, C], [N, H, W] or [N, H, W, C]"
        )
    header = header_of("NPY", shape, array.dtype)
    return header, partial(_decode, array, shape, header)


def encode(picture: Picture) -> bytes:
    """See `codecs.encode`."""
    file = io.BytesIO()
    np.save(file, samples_of(picture).reshape(picture.about))
    return file.getvalue()


def _decode(array: np.ndarray, shape: tuple[int, ...], header: Header) -> Picture:
    return picture_of(header, np.asarray(array).reshape(shape), about=array.shape)
