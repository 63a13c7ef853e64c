"""What describes a picture stays: read by our code, written with other pixels, read by another's."""

import io
import itertools
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from simgan_jax.errors import UserError
from simgan_jax.io import image_files

tifffile = pytest.importorskip("tifffile")

ORIENTATION, PROFILE, DESCRIPTION, ARTIST = 274, 34675, 270, 315
X_RESOLUTION, Y_RESOLUTION, UNIT, EXIF, EXPOSURE = 282, 283, 296, 34665, 33434
TURNED = 6
ICC = bytes(range(256)) * 3


def samples(channels, dtype, size=(6, 11), images=1):
    """Random values; floats are what 16 bits can hold."""
    shape = (images, *size, channels)
    values = np.random.default_rng(channels).integers(0, 65535, shape, np.uint16)
    if np.issubdtype(dtype, np.floating):
        return (values / np.float64(65535)).astype(dtype)
    return values.astype(dtype)


def squeezed(array):
    return array[..., 0] if array.shape[-1] == 1 else array


def written_with_other_pixels(path):
    """Reads a file, writes it again beside it with all pixels turned into their negative."""
    picture = image_files.read(path)
    negative = np.iinfo(picture.pixels.dtype).max - picture.pixels
    copy = path.with_stem("copy")
    image_files.write(copy, replace(picture, pixels=negative))
    return picture, copy


def expected(array, channels):
    """The negative of colours, the opacity as it was."""
    top = 1 if np.issubdtype(array.dtype, np.floating) else np.iinfo(array.dtype).max
    return np.concatenate([top - array[..., :channels], array[..., channels:]], axis=-1)


def tags_of(path):
    """Tags of every image by tifffile, by Pillow, without decoding."""
    with tifffile.TiffFile(path) as file:
        ours = [{tag.code: tag.value for tag in page.tags} for page in file.pages]
        theirs = None
    try:
        with Image.open(path) as image:
            theirs = []
            for number in range(image.n_frames):
                image.seek(number)
                theirs.append(dict(image.tag_v2))
    except Image.UnidentifiedImageError:
        pass  # 64-bit floats, opacity beside 16-bit grey
    return ours, theirs


TIFFS = [
    *itertools.product([1, 2, 3, 4], ["uint8", "uint16"], [1, 3]),
    *itertools.product([1, 3], ["float32", "float64"], [1, 2]),
]


@pytest.mark.parametrize(
    "form", [{}, {"byteorder": ">"}, {"bigtiff": True}, {"compression": "zlib"}], ids=str
)
@pytest.mark.parametrize("channels, dtype, images", TIFFS)
def test_tiff_keeps_its_tags_and_its_pixels_as_they_are_stored(
    tmp_path, channels, dtype, images, form
):
    array = samples(channels, np.dtype(dtype), images=images)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(
        path, bigtiff=form.get("bigtiff", False), byteorder=form.get("byteorder", "<")
    ) as writer:
        for number, image in enumerate(array):
            writer.write(
                squeezed(image),
                photometric="rgb" if channels > 2 else "minisblack",
                extrasamples=["unassalpha"] if channels in (2, 4) else None,
                compression=form.get("compression"),
                resolution=(300, 150),
                resolutionunit="CENTIMETER",
                iccprofile=ICC,
                description=f"left eye {number}",
                metadata=None,
                extratags=[(ORIENTATION, 3, 1, TURNED, True), (ARTIST, 2, 0, "Ada", True)],
            )
    picture, copy = written_with_other_pixels(path)
    colours = channels - (channels in (2, 4))
    assert picture.pixels.shape == (images, 6, 11, colours)
    back = tifffile.imread(copy, key=range(images)).reshape(array.shape)
    assert back.dtype == dtype
    if np.issubdtype(array.dtype, np.floating):
        np.testing.assert_allclose(back, expected(array, colours), atol=1e-6)
    else:
        np.testing.assert_array_equal(back, expected(array, colours))
    by_tifffile, by_pillow = tags_of(copy)
    assert len(by_tifffile) == images
    for number, tags in enumerate(by_tifffile):
        assert tags[ORIENTATION] == TURNED
        assert tags[PROFILE] == ICC
        assert (tags[X_RESOLUTION], tags[Y_RESOLUTION], tags[UNIT]) == ((300, 1), (150, 1), 3)
        assert (tags[DESCRIPTION], tags[ARTIST]) == (f"left eye {number}", "Ada")
    for number, tags in enumerate(by_pillow or []):
        assert (tags[ORIENTATION], tags[PROFILE], tags[UNIT]) == (TURNED, ICC, 3)
        assert (tags[X_RESOLUTION], tags[Y_RESOLUTION]) == (300, 150)
        assert (tags[DESCRIPTION], tags[ARTIST]) == (f"left eye {number}", "Ada")
    assert by_pillow or dtype == "float64" or channels in (2, 3, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", [{}, {"big_tiff": True}, {"compression": "tiff_lzw"}], ids=str)
@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_tiff_of_pillow_keeps_every_orientation(tmp_path, mode, form, orientation):
    channels = {"LA": 2, "RGB": 3, "RGBA": 4}.get(mode, 1)
    array = samples(channels, np.uint16 if mode == "I;16" else np.uint8)
    image = Image.fromarray(squeezed(array[0]))
    image = image.convert("P") if mode == "P" else image
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[ARTIST] = "Ada"
    has_exif = "compression" not in form  # Pillow fails to write it beside a compression
    if has_exif:
        exif.get_ifd(EXIF)[EXPOSURE] = 0.25
        exif[EXIF] = 0  # the place of what the line above says
    path = tmp_path / "a.tif"
    image.save(path, exif=exif, icc_profile=ICC, dpi=(300, 150), **form)
    picture, copy = written_with_other_pixels(path)
    np.testing.assert_array_equal(picture.pixels, array[..., : picture.pixels.shape[3]])
    with tifffile.TiffFile(copy) as file:
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
        stored = file.pages[0].asarray()
    if mode == "P":
        stored = tags[320].reshape(3, 256)[0][stored] // 257
    np.testing.assert_array_equal(
        stored.reshape(array.shape[1:]), expected(array, picture.pixels.shape[3])[0]
    )
    assert tags[ORIENTATION] == orientation
    assert (tags[PROFILE], tags[ARTIST]) == (ICC, "Ada")
    assert [tags[X_RESOLUTION][0] / tags[X_RESOLUTION][1], tags[UNIT]] == [300, 2]
    with Image.open(copy) as again:
        assert again.getexif()[ORIENTATION] == orientation
        assert not has_exif or again.getexif().get_ifd(EXIF)[EXPOSURE] == 0.25
    assert not has_exif or tags[EXIF]["ExposureTime"] == 0.25


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_of_separate_planes_is_read(tmp_path, dtype):
    array = samples(3, dtype)[0]
    planes = np.moveaxis(array, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    picture, copy = written_with_other_pixels(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels[0], array)
    np.testing.assert_array_equal(tifffile.imread(copy), expected(array, 3))


def test_orientation_in_the_xmp_of_a_tiff_turns_nothing(tmp_path):
    array = samples(3, np.uint8)[0]
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric="rgb", extratags=[(700, 1, len(xmp), xmp, True)]
    )
    picture, copy = written_with_other_pixels(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels[0], array)
    with tifffile.TiffFile(copy) as file:
        assert file.pages[0].tags[700].value == xmp


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("meaning", [0, 1, 2])
def test_what_a_fourth_channel_of_a_tiff_means_is_kept(tmp_path, dtype, meaning):
    array = samples(4, dtype)[0]
    array[..., 3] = np.iinfo(dtype).max
    extra = {0: "unspecified", 1: "assocalpha", 2: "unassalpha"}[meaning]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=[extra])
    _, copy = written_with_other_pixels(tmp_path / "a.tif")
    with tifffile.TiffFile(copy) as file:
        page = file.pages[0]
        # Pillow divides 8-bit colours by their opacity.
        kept = 2 if (meaning, dtype) == (1, np.uint8) else meaning
        assert page.extrasamples == (kept,)
        np.testing.assert_array_equal(page.asarray(), expected(array, 3))


@pytest.mark.parametrize("different", ["size", "depth", "channels"])
def test_images_that_differ_in_one_tiff_are_one_line(tmp_path, different):
    first = samples(1, np.uint8)[0]
    second = {
        "size": samples(1, np.uint8, (5, 11))[0],
        "depth": samples(1, np.uint16)[0],
        "channels": samples(3, np.uint8)[0],
    }[different]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for image in (first, second):
            writer.write(squeezed(image), photometric="rgb" if image.shape[2] == 3 else None)
    with pytest.raises(UserError, match=r"a\.tif: 2 images that differ in one file"):
        image_files.read(tmp_path / "a.tif")


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


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
    image = Image.fromarray(
        np.asarray(
            squeezed(array[0]) >> 8 if dtype == np.uint16 and channels > 1 else squeezed(array[0]),
            dtype if channels == 1 else np.uint8,
        )
    )
    image = image.convert("P") if mode == "P" else image
    image.save(path, pnginfo=texts, icc_profile=ICC, dpi=(300, 150), exif=exif)
    if dtype == np.uint16 and channels > 1:
        whole, rows = (
            path.read_bytes(),
            b"".join(b"\0" + row.tobytes() for row in array[0].astype(">u2")),
        )
        start = whole.index(b"IDAT") - 4
        end = start + 12 + int.from_bytes(whole[start : start + 4])
        shape = struct.pack(">IIBBBBB", 11, 6, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
        path.write_bytes(
            whole[:8] + chunk(b"IHDR", shape) + whole[33:start]
            + chunk(b"IDAT", zlib.compress(rows)) + whole[end:]
        )  # fmt: skip
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
    np.testing.assert_array_equal(back.pixels, expected(array, colours)[..., :colours])


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
        assert np.abs(255 - np.asarray(again).astype(int) - picture.pixels[0].squeeze()).max() <= 1
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
