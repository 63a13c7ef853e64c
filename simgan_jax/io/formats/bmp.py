"""BMP, with its resolution, its opacity, and the colour space of newer headers.

The header says its own size. All have the first 40 bytes, but for the oldest of 12; later ones add bit
masks (at 40), a colour space (at 56), and place and size of a colour profile (at 112).
"""

import io
import struct
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, NamedTuple

from PIL.BmpImagePlugin import BmpImageFile

from simgan_jax.io.formats import pillow
from simgan_jax.io.pictures import Header, Picture, picture_of, samples_of

MAGIC = (b"BM",)
FILE_HEADER, COMMON, WITH_PROFILE = 14, 40, 124
LARGEST_PROFILE = 2**24
BIT_FIELDS = 3
MASKS = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)  # as Pillow writes opacity


class About(NamedTuple):
    """Header, as it was, and colour profile."""

    header: bytes
    profile: bytes


def opened(file: BinaryIO) -> tuple[Header, Callable[[], Picture]]:
    """See `codecs.opened`."""
    image = BmpImageFile(file)
    pillow.check_size(*image.size)
    header = pillow.header(image, "BMP")
    return header, partial(_decode, image, header, file)


def encode(picture: Picture) -> bytes:
    """See `codecs.encode`."""
    file = io.BytesIO()
    pillow.image(samples_of(picture)[0], picture.header.mode == "P").save(file, "BMP")
    whole = file.getvalue()
    old, profile = picture.about
    header = bytearray(whole[FILE_HEADER : FILE_HEADER + COMMON] + old[COMMON:])
    struct.pack_into("<I", header, 0, len(header))
    header[24:32] = old[24:32] or bytes(8)  # resolution; 0 is unknown
    if picture.header.alpha:
        struct.pack_into("<I", header, 16, BIT_FIELDS)
        header[COMMON : COMMON + len(MASKS)] = MASKS
    rest = whole[FILE_HEADER + COMMON :]
    size = FILE_HEADER + len(header) + len(rest) + len(profile)
    if len(header) >= WITH_PROFILE:
        struct.pack_into("<II", header, 112, len(header) + len(rest), len(profile))
    (pixels,) = struct.unpack_from("<I", whole, 10)
    start = struct.pack("<2sIII", b"BM", size, 0, pixels + len(header) - COMMON)
    return start + header + rest + profile


def _decode(image: BmpImageFile, header: Header, file: BinaryIO) -> Picture:
    samples = pillow.samples(image)
    file.seek(FILE_HEADER)
    (size,) = struct.unpack("<I", file.read(4))
    file.seek(FILE_HEADER)
    about = file.read(size) if size >= COMMON else b""
    profile = b""
    if size >= WITH_PROFILE:
        place, length = struct.unpack_from("<II", about, 112)
        file.seek(FILE_HEADER + place)
        profile = file.read(length) if length < LARGEST_PROFILE else b""
    return picture_of(header, samples, About(about, profile))
