"""What looks like labels is asked about; photographs, renderings and drawings are not."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from simgan_jax import data
from simgan_jax.io.pictures import Header
from simgan_jax.refinement.label_pictures import by_names, by_pixels

RANDOM = np.random.default_rng(0)


def grey(array):
    return np.asarray(array)[None, ..., None]


def discs(count, values, size=128):
    """Overlapping discs on 0, as objects have them."""
    picture = np.zeros((size, size), np.uint16)
    rows, columns = np.mgrid[:size, :size]
    for value in RANDOM.choice(values, count):
        y, x, radius = RANDOM.integers((0, 0, 5), (size, size, 15))
        picture[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = value
    return picture


def drawing(smooth):
    """A figure, a frame and lines in five colours, with hard or with soft edges."""
    scale = 4 if smooth else 1
    side = 256 * scale
    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse([side // 9, side // 9, side // 2, side // 2], fill="orange", outline="black")
    pen.rectangle([side // 2, side // 2, side - 9, side - 30], fill="navy")
    for end in range(0, side, side // 8):
        pen.line([0, 0, end, side], fill="green", width=scale)
    return np.asarray(picture.resize((256, 256), Image.Resampling.LANCZOS))[None]


CLASSES = np.uint8([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 64, 12]])


@pytest.mark.parametrize(
    "picture",
    [
        grey(np.uint8(discs(1, [1]))),
        grey(np.uint8(discs(3, [255]))),
        grey(np.uint8(discs(9, [1, 2, 3]))),
        grey(discs(20, 1000 * np.arange(1, 50))),
        grey(discs(60, np.arange(1, 65535))),
        CLASSES[discs(9, [1, 2, 3])][None],
        np.pad(grey(np.uint8(discs(3, [1]))), ((0, 0), (0, 1200), (0, 1200), (0, 0))),
    ],
    ids=["mask", "black_white", "classes", "instances", "ids", "colours", "in_a_corner"],
)
def test_maps_of_labels_are_known_by_their_pixels(picture):
    assert "values in flat regions" in by_pixels(picture)


def noisy(scale):
    return np.round(scale * RANDOM.normal(size=(128, 128)))


SLOPE = np.add.outer(np.arange(256), np.arange(256) / 3)
HILLS = ndimage.gaussian_filter(RANDOM.normal(size=(256, 256)), 20)


@pytest.mark.parametrize(
    "picture",
    [
        grey(np.uint8(noisy(1).clip(-3, 3) + 20)),
        grey(np.uint8(noisy(30).clip(-100, 100) + 128)),
        grey(np.uint8(SLOPE / 8)),
        grey(np.uint16(1000 + 2 * SLOPE)),
        grey(np.uint8(60 + 900 * HILLS)),
        grey(np.uint8(255 * (RANDOM.random((128, 128)) < 0.5))),
        drawing(smooth=True),
        np.full((1, 40, 40, 3), 7, np.uint8),
    ],
    ids=["dark", "noise", "slope", "deep_slope", "hills", "dither", "drawing", "one_colour"],
)
def test_photographs_and_drawings_are_not_taken_for_labels(picture):
    assert by_pixels(picture) == ""


def test_a_drawing_with_hard_edges_looks_like_a_map():
    assert by_pixels(drawing(smooth=False)) == "5 values in flat regions"


def test_no_rendering_of_the_package_is_taken_for_labels_but_its_masks_are():
    eyes = {"source": "procedural_eyes", "count": 20}
    hands = {"source": "procedural_hands", "count": 20, "split": "train"}
    for spec, domain in itertools.product((eyes, hands), ("simulator", "camera")):
        images = data.load(spec | {"domain": domain}).images
        assert not any(by_pixels(image[None]) for image in images)
    masks = data.load(eyes).labels["eye_mask"]
    assert all(by_pixels(grey(np.uint8(mask))) for mask in masks)


@pytest.mark.parametrize("folder", ["columbia/choice", "nir_eyes"])
def test_no_photograph_is_taken_for_labels(real_data, folder):
    paths = sorted(x for x in (real_data / folder).rglob("*") if x.suffix in (".png", ".jpg"))
    assert len(paths) > 50
    for path in paths[:: len(paths) // 50]:
        with Image.open(path) as image:
            pixels = np.asarray(image)
        assert by_pixels(pixels.reshape(1, *pixels.shape[:2], -1)) == "", path


def header(form="PNG", dtype="uint8", shape=(1, 48, 64, 3)):
    return Header(form, "", dtype, shape)


COLOUR, JPEG = header(), header("JPEG")
DEEP = header(dtype="uint16", shape=(1, 48, 64, 1))


@pytest.mark.parametrize(
    "pictures, labels",
    [
        ({"1.png": COLOUR, "masks/1.png": COLOUR}, {"masks/1.png"}),
        ({"1.png": COLOUR, "1_mask.png": COLOUR}, {"1_mask.png"}),
        ({"1.png": COLOUR, "1EyeMask.png": COLOUR}, {"1EyeMask.png"}),
        ({"1.jpg": JPEG, "gtFine/1_labelIds.png": COLOUR}, {"gtFine/1_labelIds.png"}),
        ({"rgb/1.jpg": JPEG, "normals/1.png": COLOUR}, {"normals/1.png"}),
        ({"rgb/1.jpg": JPEG, "d/1.png": DEEP}, {"d/1.png"}),
        ({"frame1.png": COLOUR, "frame1_d.png": DEEP}, {"frame1_d.png"}),
        ({"woman_with_mask.jpg": JPEG, "man.jpg": JPEG}, set()),
        ({"unmasked/1.png": COLOUR, "2.png": COLOUR}, set()),
        ({"depth/1.png": DEEP, "depth/2.png": DEEP}, set()),
        ({"phone/1.jpg": JPEG, "lab/2.png": DEEP}, set()),
        ({"phone1.jpg": JPEG, "lab1.tif": header("TIFF", "uint16", (1, 48, 64, 1))}, set()),
        ({"1.png": COLOUR, "d1.png": header(dtype="uint16", shape=(1, 99, 64, 1))}, set()),
    ],
)
def test_names_and_kinds_tell_labels_from_pictures_beside_them(pictures, labels):
    assert by_names(pictures).keys() == labels


def array(dtype, *shape):
    return header("NPY", dtype, shape)


@pytest.mark.parametrize(
    "found, reason",
    [
        (array("float32", 1, 48, 64, 1), "floats"),
        (array("uint16", 1, 900, 2, 1), "an array, uint16 900 x 2 x 1"),
        (array("uint16", 1, 900, 68, 3), "an array, uint16 900 x 68 x 3"),
        (array("uint8", 900, 5, 7, 1), "an array, uint8 900 x 5 x 7 x 1"),
        (array("uint8", 1, 48, 64, 3), None),
        (array("uint16", 1, 35, 55, 1), None),
        (array("uint8", 900, 21, 21, 1), None),
    ],
)
def test_arrays_are_pictures_if_many_or_of_a_known_size(found, reason):
    assert by_names({"a.npy": found, "1.png": COLOUR}, [(35, 55)]).get("a.npy") == reason
