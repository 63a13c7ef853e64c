"""Damaged and hostile bytes, and what must come of them."""

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

from simgan_jax.errors import UserError

# Seconds that any one of them may take; most take a millisecond.
PATIENCE = 10


def flipped(content, rng, bits=3):
    content = bytearray(content)
    for _ in range(bits):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def cut(content, rng):
    return content[: rng.randrange(len(content))]


def png_header(width, height):
    """A PNG that says it is of some size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunks


def zip_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", bytes(10_000_000))
    return file.getvalue()


class Owned:
    """What a pickle would do if it were read: make a file "owned" where the process works."""

    def __reduce__(self):
        return (Path("owned").touch, ())


def attempt(work):
    """A chunk, or None after a UserError in one line; anything else fails the test."""
    start, message, result = time.perf_counter(), None, None
    try:
        result = work()
    except UserError as error:
        message = str(error)
    assert message is None or ("\n" not in message and 10 < len(message) < 500)
    assert time.perf_counter() - start < PATIENCE
    return result
