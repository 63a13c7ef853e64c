"""PNG, JPEG and BMP files keep what describes them: read by our code, written, read by Pillow."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from pictures import (
    EXIF,
    EXPOSURE,
    ICC,
    ORIENTATION,
    TURNED,
    as_shown,
    expected,
    samples,
    squeezed,
    written_with_other_pixels,
)
from PIL import Image, ImageOps, PngImagePlugin

from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.io.orientation import of_exif, shown, shown_directions, shown_points, stored


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def as_sixteen_bit(png, array):
    """The bytes of a PNG with the pixels of another array, by the standard's text alone."""
    height, width, channels = array.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in array.astype(">u2"))
    start = png.index(b"IDAT") - 4
    end = start + 12 + int.from_bytes(png[start : start + 4])
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return png[:8] + chunk(b"IHDR", header) + png[33:start] + pixels + png[end:]


@pytest.mark.parametrize(
    "mode, dtype",
    [
        *itertools.product(["L", "LA", "P", "RGB", "RGBA"], [np.uint8]),
        *itertools.product(["L", "RGB", "RGBA"], [np.uint16]),
    ],
)
def test_png_keeps_its_chunks(tmp_path, mode, dtype):
    channels = {"LA": 2, "RGB": 3, "RGBA": 4}.get(mode, 1)
    array = samples(channels, dtype)
    path = tmp_path / "a.png"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "left eye")
    texts.add_text("Long", "x" * 999, zip=True)
    texts.add_itxt("Name", "Łódź", "pl")
    texts.add(b"gAMA", struct.pack(">I", 45455))
    texts.add(b"eyEs", b"private, safe to copy")
    texts.add(b"eyES", b"private, of the old pixels")
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    deep_colour = dtype == np.uint16 and channels > 1  # which Pillow does not write
    image = Image.fromarray(squeezed(array[0].astype(np.uint8) if deep_colour else array[0]))
    image = image.convert("P") if mode == "P" else image
    image.save(path, pnginfo=texts, icc_profile=ICC, dpi=(300, 150), exif=exif)
    if deep_colour:
        path.write_bytes(as_sixteen_bit(path.read_bytes(), array[0]))
    # What stands behind the pixels is read late.
    path.write_bytes(path.read_bytes()[:-12] + chunk(b"tEXt", b"Late\0yes") + chunk(b"IEND", b""))
    _, copy = written_with_other_pixels(path)
    with Image.open(copy) as again:
        again.load()
        assert again.getexif()[ORIENTATION] == TURNED
        assert again.info["icc_profile"] == ICC
        assert again.info["dpi"] == pytest.approx((300, 150), abs=0.02)
        assert again.info["gamma"] == 0.45455
        assert again.text == {"Title": "left eye", "Long": "x" * 999, "Name": "Łódź", "Late": "yes"}
        assert again.text["Name"].lang == "pl"
    assert b"safe to copy" in copy.read_bytes()
    assert b"of the old pixels" not in copy.read_bytes()
    colours = channels - (channels in (2, 4))
    back = image_files.read(copy)
    negative = as_shown(expected(array, colours)[..., :colours], TURNED)
    np.testing.assert_array_equal(back.pixels, negative)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_keeps_its_segments(tmp_path, mode, progressive):
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    exif[EXIF] = {EXPOSURE: 0.25}
    path = tmp_path / "a.jpg"
    large = bytes(range(256)) * 600  # more than one segment holds
    Image.new(mode, (11, 6), 99).save(
        path, exif=exif, icc_profile=large, dpi=(300, 150), comment="left eye", xmp=b"<xmp/>",
        progressive=progressive,
    )  # fmt: skip
    whole = path.read_bytes()
    second = b"\xff\xfe" + struct.pack(">H", 11) + b"Adobe Ada"
    path.write_bytes(whole[:2] + second + whole[2:])
    picture, copy = written_with_other_pixels(path)
    with Image.open(copy) as again:
        assert again.getexif()[ORIENTATION] == TURNED
        assert again.getexif().get_ifd(EXIF)[EXPOSURE] == 0.25
        assert again.info["icc_profile"] == large
        assert again.info["dpi"] == (300, 150)
        assert again.info["comment"] == b"left eye"
        assert again.info["xmp"] == b"<xmp/>"
        assert (again.mode, again.size) == (mode, (11, 6))
        upright = np.asarray(ImageOps.exif_transpose(again)).astype(int)
        assert np.abs(255 - upright - picture.pixels[0].squeeze()).max() <= 1
    assert copy.read_bytes().count(b"Adobe Ada") == 1
    assert copy.read_bytes().count(b"JFIF\0") == 1


def test_jpeg_of_red_green_and_blue_is_not_called_so_any_more(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (16, 16), (200, 10, 30)).save(path, keep_rgb=True)
    assert b"Adobe" in path.read_bytes()
    picture, copy = written_with_other_pixels(path)
    with Image.open(copy) as again:
        assert np.abs(np.asarray(again).astype(int) - (255 - picture.pixels[0])).max() <= 3


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_bmp_keeps_its_resolution(tmp_path, mode):
    path = tmp_path / "a.bmp"
    Image.fromarray(squeezed(samples(3, np.uint8)[0])).convert(mode).save(path, dpi=(300, 150))
    _, copy = written_with_other_pixels(path)
    assert copy.read_bytes()[38:46] == path.read_bytes()[38:46]
    with Image.open(copy) as again:
        assert again.info["dpi"] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("channels", [3, 4])
def test_bmp_keeps_opacity_and_colour_profile(tmp_path, channels):
    array = samples(channels, np.uint8)[0]
    rows = array[::-1, :, [2, 1, 0, 3][:channels]]
    stride = -(-11 * channels // 4) * 4
    data = b"".join(row.tobytes().ljust(stride, b"\0") for row in rows)
    header = struct.pack("<IiiHHIIiiII", 124, 11, 6, 1, 8 * channels, 3 if channels == 4 else 0,
                         len(data), 11811, 5906, 0, 0)  # fmt: skip
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    # Colour space MBED: the profile is in the file, its place counted from the header.
    space = b"DEBM" + bytes(48) + struct.pack("<4I", 4, 124 + len(data), len(ICC), 0)
    header += masks + space
    assert len(header) == 124
    start = struct.pack("<2sIII", b"BM", 138 + len(data) + len(ICC), 0, 138)
    (tmp_path / "a.bmp").write_bytes(start + header + data + ICC)
    _, copy = written_with_other_pixels(tmp_path / "a.bmp")
    whole = copy.read_bytes()
    assert struct.unpack_from("<I", whole, 2) == (len(whole),)
    place, length = struct.unpack_from("<II", whole, 14 + 112)
    assert whole[14 + place : 14 + place + length] == ICC
    assert whole[14 + 56 : 14 + 60] == b"DEBM"
    with Image.open(copy) as again:
        assert again.info["dpi"] == pytest.approx((300, 150), abs=0.02)
        np.testing.assert_array_equal(np.asarray(again), expected(array, 3))


def test_reading_leaves_pillow_and_its_warnings_alone(tmp_path, recwarn):
    Image.new("L", (20, 20)).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = 300
        with pytest.raises(UserError, match="20 x 20 pixels, a decompression bomb"):
            image_files.read_header(tmp_path / "a.png")
        assert not recwarn.list
        with pytest.warns(Image.DecompressionBombWarning):
            Image.open(io.BytesIO((tmp_path / "a.png").read_bytes()))
    finally:
        Image.MAX_IMAGE_PIXELS = before


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "behind the pixels", "JPEG"])
def test_every_orientation_is_shown_and_kept(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    dtype = np.uint16 if kind == "16 bits" else np.uint8
    array, path = samples(3, dtype), tmp_path / ("a.jpg" if kind == "JPEG" else "a.png")
    image = Image.fromarray(array[0].astype(np.uint8))
    if kind == "JPEG":
        image.save(path, exif=exif, quality=100, subsampling=0)
        array = np.asarray(Image.open(path))[None]
    elif kind == "behind the pixels":
        image.save(path)
        late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
        path.write_bytes(path.read_bytes()[:-12] + late + chunk(b"IEND", b""))
    else:
        image.save(path, exif=exif)
    if kind == "16 bits":
        path.write_bytes(as_sixteen_bit(path.read_bytes(), array[0]))
    upright = as_shown(array, orientation)
    assert image_files.read_header(path).shape == upright.shape
    picture, copy = written_with_other_pixels(path)
    np.testing.assert_array_equal(picture.pixels, upright)
    with Image.open(copy) as again:
        again.load()
        assert again.getexif()[ORIENTATION] == orientation
    if kind != "JPEG":
        back = image_files.read(copy).pixels
        np.testing.assert_array_equal(back, np.iinfo(dtype).max - upright)


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0", b"II*\0\xff\xff\xff\xff"])
def test_damaged_exif_turns_nothing(exif):
    assert of_exif(exif) == 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    Image.new("L", (9, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert image_files.read(tmp_path / "a.jpg").pixels.shape == (1, 4, 9, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_and_directions_turn_with_the_image(orientation):
    image = np.zeros((1, 4, 7, 1), np.uint8)
    image[0, 1, 5] = 1  # x = 5, y = 1
    turned = shown(image, orientation)
    ((y, x),) = np.argwhere(turned[0, ..., 0])
    point = shown_points(np.array([[5.0, 1.0]]), orientation, turned.shape[1:3])
    np.testing.assert_array_equal(point, [[x, y]])
    step = shown_points(np.array([[4.0, 3.0]]), orientation, turned.shape[1:3]) - point
    np.testing.assert_array_equal(shown_directions(np.array([[-1, 2]]), orientation), step)
    np.testing.assert_array_equal(stored(turned, orientation), image)
