"""Damaged and hostile image files give pixels or one line, in little time and memory."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from damage import attempt, cut, flipped
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import samples, squeezed
from PIL import Image

from simgan_jax.errors import UserError
from simgan_jax.io import image_files


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_decompression_bomb_is_refused_from_its_header_alone(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(UserError, match=r"bomb\.png: 60,000 x 60,000 pixels, a decompression bomb"):
        image_files.read_header(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "side, depth, size, most",
    [(9400, 16, "530,160,000", "268,435,456"), (8000, 8, "192,000,000", "134,217,728")],
)
def test_what_would_take_too_much_memory_is_refused_from_its_header_alone(
    tmp_path, side, depth, size, most
):
    header = struct.pack(">IIBBBBB", side, side, depth, 2, 0, 0, 0)
    data = bytes(2_000_000) if depth == 16 else bytes(99)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(UserError, match=rf"{size} bytes in a file of .* At most {most} bytes"):
        image_files.read_header(tmp_path / "bomb.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".npy"])
@pytest.mark.parametrize("kind", ["EPS", "GIF", "WEBP", "PPM", "TGA", "PCX"])
def test_formats_that_are_not_listed_are_never_opened(tmp_path, suffix, kind):
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (4, 4)).save(path, kind)
    with pytest.raises(UserError, match=r"not readable as an image .none of PNG, JPEG, TIFF, BMP"):
        image_files.read(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_give_pixels_or_a_user_error_and_nothing_else(tmp_path_factory, data):
    suffix = data.draw(st.sampled_from([".png", ".jpg", ".tif", ".bmp", ".npy"]))
    buffer = io.BytesIO()
    array = squeezed(samples(1, np.uint8)[0])
    if suffix == ".npy":
        np.save(buffer, array)
    else:
        kind = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".bmp": "BMP"}[suffix]
        Image.fromarray(array).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / f"a{suffix}"
    path.write_bytes(content)
    try:
        picture = image_files.read(path)
    except UserError:
        return
    assert picture.pixels.ndim == 4


def whole_files():
    """A small file of every kind, by suffix and number."""
    tifffile = pytest.importorskip("tifffile")
    grey, colour, deep = samples(1, np.uint8)[0], samples(3, np.uint8)[0], samples(3, np.uint16)[0]
    exif = Image.Exif()
    exif[274] = 6
    by_pillow = [
        (".png", colour, {"exif": exif, "icc_profile": bytes(300)}),
        (".png", squeezed(samples(1, np.uint16)[0]), {}),
        (".jpg", colour, {"exif": exif, "comment": "x" * 40}),
        (".jpg", squeezed(grey), {"progressive": True}),
        (".bmp", colour, {}),
        (".tif", colour, {"compression": "tiff_lzw"}),
        (".tif", colour, {"compression": "jpeg"}),
    ]
    for suffix, array, options in by_pillow:
        file = io.BytesIO()
        Image.fromarray(array).save(file, Image.registered_extensions()[suffix], **options)
        yield suffix, file.getvalue()
    for array, options in (
        (deep, {"photometric": "rgb", "tile": (16, 16), "compression": "zlib"}),
        (deep, {"photometric": "rgb", "byteorder": ">", "bigtiff": True, "rowsperstrip": 2}),
        (samples(1, np.float32, images=3)[..., 0], {"photometric": "minisblack"}),
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, array, **options)
        yield ".tif", file.getvalue()
    for array in (colour, samples(1, np.float32, images=3)):
        file = io.BytesIO()
        np.save(file, array)
        yield ".npy", file.getvalue()


def test_a_thousand_damaged_files_give_pixels_or_one_line(tmp_path, capfd):
    rng = random.Random(0)
    read = 0
    for suffix, whole in whole_files():
        path = tmp_path / f"a{suffix}"
        for number in range(84):
            head = flipped(whole[:200], rng) + whole[200:]
            path.write_bytes([cut(whole, rng), flipped(whole, rng), head, head[:-9]][number % 4])
            picture = attempt(lambda path=path: image_files.read(path))
            if picture is not None:
                read += 1
                assert picture.pixels.shape == picture.header.shape
                image_files.write(tmp_path / "copy", picture)
    assert 100 < read < 900
    capfd.readouterr()  # what libtiff says of them
