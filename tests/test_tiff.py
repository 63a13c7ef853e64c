"""TIFF files keep what describes them: read by our code, written, read by another's."""

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
from PIL import Image

from simgan_jax.errors import UserError
from simgan_jax.io import image_files

tifffile = pytest.importorskip("tifffile")
PROFILE, DESCRIPTION, ARTIST = 34675, 270, 315
X_RESOLUTION, Y_RESOLUTION, UNIT = 282, 283, 296


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
    assert picture.pixels.shape == (images, 11, 6, colours)
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
    upright = as_shown(array, orientation)
    np.testing.assert_array_equal(picture.pixels, upright[..., : picture.pixels.shape[3]])
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


FORMS = [
    {},
    {"predictor": True, "compression": "zlib"},
    {"tile": (16, 32), "compression": "zlib"},
    {"tile": (16, 32), "compression": "zlib", "predictor": True},
    {"byteorder": ">", "bigtiff": True, "rowsperstrip": 4},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_samples_are_read_however_they_are_packed(tmp_path, dtype, apart, form):
    if form.get("predictor") and dtype == "float32":
        pytest.skip("tifffile alone does not write it")
    array = samples(3, np.dtype(dtype), size=(37, 45))[0]
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(array, -1, 0) if apart else array,
        photometric="rgb",
        planarconfig="separate" if apart else "contig",
        **form,
    )
    pixels = image_files.read(tmp_path / "a.tif").pixels[0]
    whole = np.round(array.astype(np.float64) * 65535) if dtype == "float32" else array
    np.testing.assert_array_equal(pixels, whole)


def test_float_differences_are_undone(tmp_path):
    # As Technical Note 3 of Adobe has it: bytes of all values apart, the first first, then differences.
    array = samples(1, np.float32, size=(5, 8))[0, ..., 0]
    planes = array.astype(">f4").view(np.uint8).reshape(5, 8, 4).swapaxes(1, 2).reshape(5, 32)
    steps = np.diff(planes, axis=1, prepend=np.uint8(0))
    packed = zlib.compress(steps.tobytes())
    # Width, height, bits, compression, photometric, place, rows, length, predictor, kind.
    tags = {
        256: 8,
        257: 5,
        258: 32,
        259: 8,
        262: 1,
        273: 8,
        278: 5,
        279: len(packed),
        317: 3,
        339: 3,
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    start = b"II*\0" + struct.pack("<I", 8 + len(packed))
    (tmp_path / "a.tif").write_bytes(start + packed + directory)
    pixels = image_files.read(tmp_path / "a.tif").pixels[0, ..., 0]
    np.testing.assert_array_equal(pixels, np.round(array.astype(np.float64) * 65535))


def test_bytes_are_not_counted_as_pixels(tmp_path, monkeypatch):
    array = samples(3, np.uint16)[0]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression="zlib")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6 * 11)  # of which 396 bytes would be too many
    np.testing.assert_array_equal(image_files.read(tmp_path / "a.tif").pixels[0], array)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiles_far_larger_than_the_image_are_refused(tmp_path, bits):
    array = samples(1, np.dtype(f"u{bits // 8}"), size=(20, 20))[0, ..., 0]
    tifffile.imwrite(tmp_path / "a.tif", array, tile=(16, 16))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        tags = file.pages[0].tags
        tags["TileWidth"].overwrite(2**14)
        tags["TileLength"].overwrite(2**15)
    with pytest.raises(UserError, match=r"a\.tif: 16,384 x 32,768 pixels, a decompression bomb"):
        image_files.read(tmp_path / "a.tif")


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_zero(tmp_path, dtype, byteorder):
    array = samples(1, dtype)[0, ..., 0]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite", byteorder=byteorder)
    picture, copy = written_with_other_pixels(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels[0, ..., 0], np.iinfo(dtype).max - array)
    with tifffile.TiffFile(copy) as file:
        assert file.pages[0].photometric.name == "MINISBLACK"
        np.testing.assert_array_equal(file.pages[0].asarray(), array)


@pytest.mark.parametrize(
    "form, reason",
    [
        (
            {"compression": 1, "dtype": "int16"},
            "16 bits a value, of kind 2; save it as 8 or 16 bit",
        ),
        ({"dtype": "uint32"}, "32 bits a value"),
        ({"dtype": "float32", "photometric": "miniswhite"}, "floats of which 0 is white"),
        (
            {"photometric": "separated", "channels": 4},
            "photometric interpretation 5; save it as grey",
        ),
    ],
)
def test_what_cannot_be_read_right_is_one_line(tmp_path, form, reason):
    array = np.zeros((6, 8, form.pop("channels", 1)), form.pop("dtype", "uint16"))
    tifffile.imwrite(tmp_path / "a.tif", squeezed(array), **{"photometric": "minisblack"} | form)
    with pytest.raises(UserError, match=rf"a\.tif: .*{reason}"):
        image_files.read(tmp_path / "a.tif")
