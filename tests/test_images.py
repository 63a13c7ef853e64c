import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from simgan_jax.errors import UserError
from simgan_jax.io import image_files


def pixels(mode, dtype=np.uint8, size=(7, 9), seed=0):
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (*size, channels), dtype, endpoint=True)


def squeeze(array):
    return array[..., 0] if array.shape[-1] == 1 else array


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_by_hand(array):
    """A 16-bit PNG without filters, from the standard's text alone."""
    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_grid_places_images_unchanged_on_white():
    array = np.arange(2 * 3 * 2 * 2, dtype=np.uint8).reshape(2, 3, 2, 2, 1)
    picture = image_files.grid(array, gap=1, scale=1)
    assert picture.shape == (5, 8, 1)
    np.testing.assert_array_equal(picture[0, :, 0], [0, 1, 255, 4, 5, 255, 8, 9])
    np.testing.assert_array_equal(picture[:, 0, 0], [0, 2, 255, 12, 14])


def test_grid_repeats_pixels_and_never_stretches_contrast():
    picture = image_files.grid(np.full((1, 1, 2, 2, 1), 0.0, np.float32), scale=3)
    assert picture.shape == (6, 6, 1)
    assert set(np.unique(picture)) == {128}


@pytest.mark.parametrize(
    "mode, suffix",
    [
        *itertools.product(["L", "LA", "RGB", "RGBA"], [".png", ".tif"]),
        ("L", ".bmp"),
        ("RGB", ".bmp"),
    ],
)
def test_eight_bit_files_come_back_with_the_same_mode_and_pixels(tmp_path, mode, suffix):
    array, path = pixels(mode), tmp_path / f"a{suffix}"
    Image.fromarray(squeeze(array)).save(path)
    picture = image_files.read(path)
    assert (picture.header.mode, picture.header.dtype) == (mode, "uint8")
    assert picture.pixels.shape == (1, 7, 9, len(mode.replace("A", "")))
    copy = tmp_path / f"b{suffix}"
    image_files.write(copy, picture)
    with Image.open(copy) as image:
        assert (image.mode, image.format) == (
            mode,
            {".png": "PNG", ".tif": "TIFF"}.get(suffix, "BMP"),
        )
        np.testing.assert_array_equal(np.asarray(image), squeeze(array))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_sixteen_bit_png_keeps_every_bit(tmp_path, mode):
    array, path = pixels(mode, np.uint16), tmp_path / "a.png"
    path.write_bytes(png_by_hand(array))
    picture = image_files.read(path)
    channels = len(mode.replace("A", ""))
    np.testing.assert_array_equal(picture.pixels[0], array[..., :channels])
    copy = tmp_path / "b.png"
    image_files.write(copy, picture)
    assert copy.read_bytes()[24:26] == path.read_bytes()[24:26]  # depth and colour type
    again = image_files.read(copy)
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    if mode == "RGBA":
        np.testing.assert_array_equal(again.alpha[0], array[..., 3:])


def test_pillow_reads_our_sixteen_bit_png_as_the_high_bytes(tmp_path):
    array = pixels("RGB", np.uint16)
    image_files.write_image(tmp_path / "a.png", array)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), array >> 8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_sixteen_bit_tiff_keeps_every_bit(tmp_path, mode, compression):
    tifffile = pytest.importorskip("tifffile")
    array, path = pixels(mode, np.uint16), tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        squeeze(array),
        photometric="minisblack" if mode == "L" else "rgb",
        compression=compression,
    )
    image_files.write(tmp_path / "b.tif", image_files.read(path))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), squeeze(array))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_tiff_is_read_to_sixteen_bits_and_stays_float(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.array([[0, 0.25], [0.5, 1]], dtype))
    picture = image_files.read(path)
    np.testing.assert_array_equal(picture.pixels[0, ..., 0], [[0, 16384], [32768, 65535]])
    image_files.write(tmp_path / "b.tif", picture)
    copy = tifffile.imread(tmp_path / "b.tif")
    assert copy.dtype == dtype
    np.testing.assert_allclose(copy, [[0, 0.25], [0.5, 1]], atol=1e-5)


def test_float_image_out_of_range_is_an_error(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 200.0]]))
    with pytest.raises(UserError, match=r"a\.npy: floats from 0 to 200; scale them"):
        image_files.read(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3), (5, 7, 9, 1)])
def test_npy_comes_back_in_its_shape(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 65535, shape, np.uint16)
    np.save(tmp_path / "a.npy", array)
    picture = image_files.read(tmp_path / "a.npy")
    assert picture.pixels.ndim == 4
    image_files.write(tmp_path / "b.npy", picture)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), array)


@pytest.mark.parametrize(
    "shape",
    [(7,), (3, 7, 9), (5, 7, 9), (7, 9, 10), (2, 3, 7, 9), (1, 1, 7, 9, 1), (0, 9), (7, 9, 0)],
)
def test_npy_that_may_be_laid_out_otherwise_is_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(UserError, match=r"a\.npy: shape \[.*\]; must be \[H, W\]"):
        image_files.read_header(tmp_path / "a.npy")


def test_npy_of_another_byte_order_keeps_it(tmp_path):
    array = np.random.default_rng(0).integers(0, 65535, (7, 9)).astype(">u2")
    np.save(tmp_path / "a.npy", np.asfortranarray(array))
    picture = image_files.read(tmp_path / "a.npy")
    np.testing.assert_array_equal(picture.pixels[0, ..., 0], array)
    image_files.write(tmp_path / "b.npy", picture)
    copy = np.load(tmp_path / "b.npy")
    assert copy.dtype == ">u2"
    np.testing.assert_array_equal(copy, array)


def test_npy_with_objects_is_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"a\.npy: not readable"):
        image_files.read(tmp_path / "a.npy")


def test_jpeg_stays_jpeg_at_high_quality_with_its_metadata(tmp_path):
    smooth = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth).save(path, quality=60, exif=exif, dpi=(72, 72))
    picture = image_files.read(path)
    image_files.write(tmp_path / "b.jpg", picture)
    with Image.open(tmp_path / "b.jpg") as copy:
        assert copy.format == "JPEG"
        assert copy.getexif()[0x0112] == 6
        error = np.abs(np.asarray(ImageOps.exif_transpose(copy)).astype(int) - picture.pixels[0])
    assert error.mean() < 1.0


def test_grey_palette_is_a_grey_image_and_loses_nothing(tmp_path):
    array = pixels("L")
    Image.fromarray(squeeze(array)).convert("P").save(tmp_path / "a.png")
    picture = image_files.read(tmp_path / "a.png")
    assert picture.header.mode == "P"
    np.testing.assert_array_equal(picture.pixels[0], array)
    image_files.write(tmp_path / "b.png", picture)
    with Image.open(tmp_path / "b.png") as copy:
        assert copy.mode == "P"
        np.testing.assert_array_equal(np.asarray(copy.convert("L")), squeeze(array))


def test_colour_palette_stays_a_palette(tmp_path):
    array = np.zeros((8, 8, 3), np.uint8)
    array[:4] = [200, 10, 30]
    Image.fromarray(array).quantize(2).save(tmp_path / "a.png")
    picture = image_files.read(tmp_path / "a.png")
    image_files.write(tmp_path / "b.png", picture)
    with Image.open(tmp_path / "b.png") as copy:
        assert copy.mode == "P"
        np.testing.assert_array_equal(np.asarray(copy.convert("RGB")), array)


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda p: Image.new("1", (4, 4)).save(p), "fewer than 8 bits"),
        (lambda p: Image.new("CMYK", (4, 4)).save(p, "TIFF"), "mode CMYK; convert"),
        (lambda p: Image.new("L", (4, 4)).save(p, transparency=3), "transparent"),
        (lambda p: p.write_bytes(png_by_hand(pixels("LA", np.uint16))), "16-bit grey with opacity"),
        (lambda p: Image.new("L", (4, 4)).save(p, "GIF"), "not readable"),
        (lambda p: p.write_bytes(b""), "not readable"),
        (
            lambda p: Image.new("L", (4, 4)).save(
                p, save_all=True, append_images=[Image.new("L", (4, 4), 9)]
            ),
            "2 images in one file",
        ),
    ],
)
def test_what_cannot_be_kept_is_one_line_that_names_the_file(tmp_path, make, reason):
    path = tmp_path / "bad.png"
    make(path)
    with pytest.raises(UserError, match=reason) as caught:
        image_files.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.npy"])
def test_truncated_file_is_an_error_never_half_an_image(tmp_path, name):
    path = tmp_path / name
    array = squeeze(pixels("RGB", size=(64, 64)))
    np.save(path, array) if name == "a.npy" else Image.fromarray(array).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"not readable as an image"):
        image_files.read(path)


def test_luminance_of_grey_is_exactly_that_grey():
    grey = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256, 1)
    np.testing.assert_array_equal(image_files.luminance(grey.repeat(3, axis=3)), grey)


def test_luminance_weighs_red_green_blue_as_bt601():
    colours = np.uint8([[[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]])
    np.testing.assert_array_equal(image_files.luminance(colours)[0, 0, :, 0], [76, 150, 29])


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        image_files.write_image(tmp_path / "folder", np.zeros((4, 4, 1), np.uint8))
    with pytest.raises(KeyError):
        image_files.write_image(path, np.zeros((4, 4, 5), np.uint8))
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "folder"]
