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
    kind = array.dtype.newbyteorder("=")
    if kind not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise Unsupported(f"{array.dtype}; save it as uint8, uint16, or floats in [0, 1]")
    shape = (*array.shape, 1) if array.ndim == 2 else array.shape
    shape = (1, *shape) if len(shape) == 3 else shape
    if len(shape) != 4 or shape[3] > 4 or 0 in shape:
        # [N, H, W] could as well be [C, H, W] or a picture of many channels.
        raise Unsupported(
            f"shape {list(array.shape)}; must be [H, W], [H, W, C] or [N, H, W, C] with 1 to 4 "
            "channels C: save grey images one after the other as array[..., None]"
        )
    header = header_of("NPY", shape, kind)
    return header, partial(_decode, array, shape, header)


def encode(picture: Picture) -> bytes:
    """See `codecs.encode`."""
    file = io.BytesIO()
    shape, dtype = picture.about
    np.save(file, samples_of(picture).reshape(shape).astype(dtype))
    return file.getvalue()


def _decode(array: np.ndarray, shape: tuple[int, ...], header: Header) -> Picture:
    return picture_of(header, np.asarray(array).reshape(shape), (array.shape, array.dtype))
