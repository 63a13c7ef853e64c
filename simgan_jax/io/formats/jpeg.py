"""JPEG (ITU-T T.81), with the segments that describe the picture."""

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import BinaryIO, NamedTuple

from PIL.JpegImagePlugin import JpegImageFile

from simgan_jax.io.formats import pillow
from simgan_jax.io.orientation import of_exif, size
from simgan_jax.io.pictures import Header, Picture, picture_of, samples_of

MAGIC = (b"\xff\xd8\xff",)
DESCRIBING = (*range(0xE0, 0xF0), 0xFE)  # markers of applications, and of comments
ALONE = (0x00, 0x01, *range(0xD0, 0xD9))  # markers without a segment
SCAN = 0xDA
JFIF = b"\xe0JFIF\0"
# How colours are stored, and where further images lie in the file: not as in the file that is written.
LEFT_OUT = (b"\xeeAdobe", b"\xe2MPF\0")


class Segment(NamedTuple):
    """A marker and what follows it; `name` is the marker and the first bytes of the content."""

    name: bytes
    whole: bytes


def opened(file: BinaryIO) -> tuple[Header, Callable[[], Picture]]:
    """See `codecs.opened`; of a file with several images, the first."""
    image = JpegImageFile(file)
    pillow.check_size(*image.size)
    header = pillow.header(image, "JPEG", of_exif(image.info.get("exif", b"")))
    return header, partial(_decode, image, header, file)


def encode(picture: Picture, quality: int) -> bytes:
    """See `codecs.encode`."""
    file = io.BytesIO()
    image = pillow.image(samples_of(picture)[0], palette=False)
    image.save(file, "JPEG", quality=quality, subsampling=0)
    whole = file.getvalue()
    # Pillow begins with a JFIF segment, which gives the resolution.
    (length,) = struct.unpack_from(">H", whole, 4)
    start, jfif, rest = whole[:2], whole[2 : 4 + length], whole[4 + length :]
    if any(segment.name.startswith(JFIF) for segment in picture.about):
        jfif = b""
    return start + jfif + b"".join(segment.whole for segment in picture.about) + rest


def _decode(
    image: JpegImageFile, header: Header, file: BinaryIO, least: tuple[int, int] = (0, 0)
) -> Picture:
    """Decodes an image, at a part of its size if `least` (height, width as shown) allows that.

    A half, a quarter or an eighth are the means of whole pixels where they divide the size.
    """
    width, height = image.size
    low, narrow = size(*least, header.orientation)
    for part in (8, 4, 2) if any(least) else ():
        whole = width % part == height % part == 0
        if whole and height >= part * low and width >= part * narrow:
            image.draft(image.mode, (width // part, height // part))
            reduced = size(image.height, image.width, header.orientation)
            header = replace(header, shape=(1, *reduced, header.shape[3]))
            break
    return picture_of(header, pillow.samples(image), _describing_segments(file))


def _describing_segments(file: BinaryIO) -> list[Segment]:
    """Resolution, EXIF, colour profile, comments, ...: all before the pixels that stays true."""
    kept = []
    file.seek(2)
    while byte := file.read(1):
        if byte != b"\xff":
            continue  # as readers do, past what does not belong there
        while (marker := file.read(1)) == b"\xff":
            pass
        if not marker or marker[0] == SCAN:
            break
        if marker[0] in ALONE:
            continue
        length = file.read(2)
        content = file.read(max(0, int.from_bytes(length) - 2))
        segment = Segment(marker + content[:8], b"\xff" + marker + length + content)
        if marker[0] in DESCRIBING and not segment.name.startswith(LEFT_OUT):
            kept.append(segment)
    return kept
