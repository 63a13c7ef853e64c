"""TIFF samples that Pillow would cut: 16-bit colour, floats, a fourth channel that is no opacity.

Pillow (libtiff) unpacks them all the same: seen as an 8-bit grey image, a row of pixels is a row of
bytes. Such a view is a directory of its own, appended to the file.
"""

import io
import math
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from simgan_jax.io.formats.tiff_layout import (
    APART,
    BITS,
    BLACK_IS_ZERO,
    COMPRESSION,
    FLOAT,
    HEIGHT,
    ORDER_OF_BITS,
    PHOTOMETRIC,
    RGB,
    ROWS_PER_STRIP,
    SAMPLES,
    STRIP_BYTES,
    STRIPS,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TILES,
    UNSIGNED,
    WHITE_IS_ZERO,
    WIDTH,
    Layout,
)
from simgan_jax.io.pictures import Header, Unsupported, header_of
from simgan_jax.io.tiff_tags import LONG, LONG8, Directory, Form, Writer

TYPES = {
    (UNSIGNED, 8): "uint8",
    (UNSIGNED, 16): "uint16",
    (FLOAT, 16): "float16",
    (FLOAT, 32): "float32",
    (FLOAT, 64): "float64",
}
# They pack bytes, whatever those mean: LZW, Deflate (two numbers), LZMA, Zstandard.
PREDICTED = (5, 8, 32946, 34925, 50000)
COMPRESSIONS = (1, 32773, *PREDICTED)  # none, PackBits
DIFFERENCES, FLOAT_DIFFERENCES = 2, 3  # predictors
# How the bytes are cut, packed and placed in the file.
PLACES = {COMPRESSION, ORDER_OF_BITS, ROWS_PER_STRIP, STRIPS, STRIP_BYTES}
PLACES |= {TILE_HEIGHT, TILES, TILE_BYTES}


def header(layout: Layout, images: int) -> Header:
    """The header of a file.

    Raises:
        Unsupported: what it holds are no images in grey or RGB, or they are packed as pictures are.
    """
    kinds, bits, (meaning, *_) = set(layout.kinds), set(layout.bits), layout.photometric
    channels = len(layout.bits)
    found = TYPES.get((*kinds, *bits)) if len(kinds) == len(bits) == 1 else None
    if found is None:
        raise Unsupported(
            f"{max(layout.bits)} bits a value, of kind {max(layout.kinds)}; save it as 8 or 16 bit "
            "unsigned, or floats in [0, 1]"
        )
    # The last of an even number is opacity, whether or not the file says so.
    colours = {WHITE_IS_ZERO: (1, 2), BLACK_IS_ZERO: (1, 2), RGB: (3, 4)}
    if channels not in colours.get(meaning, ()):
        raise Unsupported(
            f"{channels} channels, photometric interpretation {meaning}; save it as grey or RGB"
        )
    if layout.compression[0] not in COMPRESSIONS:
        raise Unsupported(
            f"compression {layout.compression[0]} of {found}; save it with Deflate or LZW"
        )
    if layout.inverted and found.startswith("float"):
        raise Unsupported("floats of which 0 is white; save it with black as 0")
    return header_of("TIFF", (images, *layout.size, channels), found, orient=layout.orient)


def decode(
    file: BinaryIO, form: Form, directories: list[Directory], layout: Layout, header: Header
) -> Shaped[np.ndarray, "n h w samples"]:
    """All images of a file as they are stored, but with black as 0.

    Raises:
        Unsupported: an unknown predictor.
    """
    planes = len(layout.bits) if layout.planar == (APART,) else 1
    samples = np.empty((len(directories), *layout.size, len(layout.bits)), header.dtype)
    step = samples.shape[3] // planes  # values of a pixel that lie side by side
    file.seek(0)
    viewed = Form("<", form.big)  # Pillow knows no other BigTIFF
    writer, kind = Writer(viewed, file.read()), LONG8 if form.big else LONG
    for directory in directories:
        found = {entry.tag: form.values(entry) for entry in directory if entry.tag in PLACES}
        for plane in range(planes):
            view = _view(found, layout, step * samples.itemsize, (plane, planes))
            writer.image([viewed.entry(tag, kind, *values) for tag, values in view.items()])
    views = TiffImageFile(io.BytesIO(writer.finished()))
    predictor = layout.predictor[0] if layout.compression[0] in PREDICTED else 1
    for number in range(len(directories) * planes):
        views.seek(number)
        # Where Pillow would count the bytes as pixels, and suspect a decompression bomb.
        views.im = Image.core.new(views.mode, views.size)
        rows = np.asarray(views)
        tile = layout.tile[0] * step * samples.itemsize if layout.tile else rows.shape[1]
        values = [
            _undone(rows[:, left : left + tile], predictor, form.order, samples.dtype, step)
            for left in range(0, rows.shape[1], tile)
        ]
        image, plane = divmod(number, planes)
        whole = np.concatenate(values, axis=1)[:, : layout.size[1]]
        samples[image, ..., plane * step : (plane + 1) * step] = whole
    if layout.inverted:
        samples[..., 0] = np.iinfo(samples.dtype).max - samples[..., 0]
    return samples


def _view(
    found: dict[int, tuple[int, ...]], layout: Layout, size: int, part: tuple[int, int]
) -> dict[int, tuple[int, ...]]:
    """The tags of a grey image whose pixels are the bytes of one plane, tiles with all they hold.

    Args:
        found: tags of the image, those of `PLACES`.
        layout: of the image.
        size: of a pixel, bytes.
        part: number of the plane, and of how many.
    """
    plane, planes = part
    height, width = layout.size
    tags = {HEIGHT: (height,), BITS: (8,), PHOTOMETRIC: (BLACK_IS_ZERO,), SAMPLES: (1,)}
    for tag, values in found.items():
        if tag in (STRIPS, STRIP_BYTES, TILES, TILE_BYTES):
            share = len(values) // planes
            values = values[plane * share : (plane + 1) * share]
        tags[tag] = values
    if layout.tile:
        width = math.ceil(width / layout.tile[0]) * layout.tile[0]
        tags[TILE_WIDTH] = (layout.tile[0] * size,)
    return tags | {WIDTH: (width * size,)}


def _undone(
    rows: UInt8[np.ndarray, "h bytes"], predictor: int, order: str, dtype: np.dtype, step: int
) -> Shaped[np.ndarray, "h w step"]:
    """Values from differences to those on the left (TIFF 6.0, section 14, and Technical Note 3)."""
    rows = np.ascontiguousarray(rows)
    if predictor == DIFFERENCES:
        integers = np.dtype(f"u{dtype.itemsize}")
        steps = rows.view(integers.newbyteorder(order)).reshape(len(rows), -1, step)
        return np.cumsum(steps, axis=1, dtype=integers).view(dtype)
    if predictor == FLOAT_DIFFERENCES:
        # The first bytes of all values, then the second ones, ...
        steps = rows.reshape(len(rows), -1, step)
        planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(len(rows), dtype.itemsize, -1)
        rows, order = np.ascontiguousarray(planes.swapaxes(1, 2)).reshape(rows.shape), ">"
    elif predictor != 1:
        raise Unsupported(f"predictor {predictor}; save it with Deflate or LZW")
    return rows.view(dtype.newbyteorder(order)).reshape(len(rows), -1, step)
