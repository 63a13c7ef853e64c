"""PNG (ISO/IEC 15948), with 16-bit colour and the chunks that describe the picture.

Pillow would cut 16-bit colour to 8 bits: it is read in two passes, high bytes and low bytes, and
written here.
"""

import io
import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped
from PIL.PngImagePlugin import PngImageFile

from simgan_jax.io.formats import pillow
from simgan_jax.io.orientation import of_exif
from simgan_jax.io.pictures import Header, Picture, Unsupported, header_of, picture_of, samples_of

MAGIC = (b"\x89PNG\r\n\x1a\n",)
# What says how colours are meant. The standard calls it unsafe to copy, since other editors than a
# refiner may turn colours into those of another space.
COLOUR_SPACE = {b"cHRM", b"cICP", b"cLLI", b"gAMA", b"iCCP", b"mDCV", b"sRGB"}


def opened(file: BinaryIO) -> tuple[Header, Callable[[], Picture]]:
    """See `codecs.opened`."""
    image = PngImageFile(file)
    pillow.check_size(*image.size)
    if image.n_frames > 1:
        raise Unsupported(f"{image.n_frames} images in one file; save them one by one")
    raw = str(image.tile[0].args)
    if raw.startswith("LA;16"):
        raise Unsupported("16-bit grey with opacity; save it without opacity or as RGBA")
    if raw in ("L;2", "L;4"):
        raise Unsupported("fewer than 8 bits a pixel; convert it to 8-bit grey")
    place = file.tell()  # from where Pillow reads on
    orient = of_exif(b"".join(data for _, data in _chunks(file, {b"eXIf"})))
    file.seek(place)
    header = pillow.header(image, "PNG", orient)
    if raw in ("RGB;16B", "RGBA;16B"):
        shape = (1, image.height, image.width, len(image.mode))
        header = header_of("PNG", shape, "uint16", orient=orient)
    return header, partial(_decode, image, header, file)


def encode(picture: Picture) -> bytes:
    """See `codecs.encode`."""
    samples = samples_of(picture)[0]
    if picture.header.mode in ("RGB;16", "RGBA;16"):
        whole = _encode_deep(samples)
    else:
        file = io.BytesIO()
        pillow.image(samples, picture.header.mode == "P").save(file, "PNG")
        whole = file.getvalue()
    first = len(MAGIC[0]) + 25  # IHDR must come first
    return whole[:first] + (picture.about or b"") + whole[first:]


def _decode(image: PngImageFile, header: Header, file: BinaryIO) -> Picture:
    samples = pillow.samples(image)
    if header.mode in ("RGB;16", "RGBA;16"):
        file.seek(0)
        again = PngImageFile(file)
        # Pillow's unpackers take one byte of each two; seen as little-endian, that is the low one.
        again.tile = [tile._replace(args=f"{image.mode};16L") for tile in again.tile]
        samples = samples.astype(np.uint16) << 8 | pillow.samples(again)
    return picture_of(header, samples, _describing_chunks(file))


def _describing_chunks(file: BinaryIO) -> bytes:
    """All chunks that stay true with other pixels, one after the other.

    By the standard these have a small fourth letter: texts, EXIF, resolution, and more.
    """
    return b"".join(_chunk(name, data) for name, data in _chunks(file))


def _chunks(file: BinaryIO, names: Collection[bytes] = ()) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks of some names, up to the first that is damaged.

    Without names, all that stay true with other pixels.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(len(MAGIC[0]))
    while len(start := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        if length + 4 > end - file.tell():
            break
        critical, safe = not name[0] & 32, name[3] & 32
        wanted = name in names if names else name in COLOUR_SPACE or (safe and not critical)
        if wanted:
            rest = file.read(length + 4)
            if start + rest != _chunk(name, rest[:-4]):
                break
            yield name, rest[:-4]
        else:
            file.seek(length + 4, io.SEEK_CUR)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _encode_deep(array: Shaped[np.ndarray, "h w samples"]) -> bytes:
    """16-bit RGB or RGBA, each row as differences to the pixel on its left."""
    height, width, channels = array.shape
    step = 2 * channels
    rows = np.ascontiguousarray(array.astype(">u2")).view(np.uint8).reshape(height, -1)
    left = np.pad(rows[:, :-step], ((0, 0), (step, 0)))
    filtered = np.concatenate([np.full((height, 1), 1, np.uint8), rows - left], axis=1)
    colour_type = {3: 2, 4: 6}[channels]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(filtered.tobytes())),
        (b"IEND", b""),
    ]
    return MAGIC[0] + b"".join(_chunk(name, data) for name, data in chunks)
