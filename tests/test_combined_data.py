import numpy as np
import pytest
from PIL import Image

from simgan_jax.data import load
from simgan_jax.data.histogram_matching import histograms
from simgan_jax.errors import UserError


@pytest.fixture
def folders(tmp_path):
    """Specs of two folders: 3 dark images with an upward ramp, 2 bright flat ones with noise."""
    ramp = np.linspace(0, 60, 64).reshape(8, 8)
    noise = np.random.default_rng(0).integers(150, 250, (2, 8, 8))
    specs = {}
    for name, pictures in {"ramp": [ramp, ramp + 1, ramp + 2], "bright": noise}.items():
        (tmp_path / name).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / name / f"{i}.png")
        specs[name] = {"source": "folder", "path": str(tmp_path / name)}
    return specs


def test_concatenation_has_the_rows_of_all_parts_and_the_labels_that_all_have(folders):
    eyes = {"source": "procedural_eyes", "domain": "simulator", "split": "train", "seed": 0}
    part = eyes | {"count": 2, "height": 8, "width": 8}
    both = load({"source": "concatenation", "parts": [part, folders["ramp"]]})
    assert len(both) == 5
    assert not both.labels
    twice = load({"source": "concatenation", "parts": [part, part]})
    np.testing.assert_array_equal(twice.labels["gaze"][:2], twice.labels["gaze"][2:])


def test_people_of_two_parts_are_others_unless_their_numbers_mean_the_same():
    eyes = {"source": "procedural_eyes", "count": 8, "height": 8, "width": 8}
    parts = [eyes, eyes | {"seed": 1}]
    ours, theirs = (load(part).labels["participant"] for part in parts)
    apart = load({"source": "concatenation", "parts": parts}).labels["participant"]
    assert apart[:8].tolist() == ours.tolist()
    assert apart[8:].min() > ours.max()
    np.testing.assert_array_equal(np.diff(apart[8:]), np.diff(theirs))
    spec = {"source": "concatenation", "parts": parts, "same_groups": True}
    assert load(spec).labels["participant"].tolist() == [*ours, *theirs]


def test_matched_images_have_the_grey_values_of_the_others(folders):
    bright = load(folders["bright"]).images
    spec = {"source": "matched", "images": folders["ramp"], "like": folders["bright"]}
    matched = load(spec)
    values = [np.sort(x, axis=None).tolist() for x in bright]
    assert len(matched) == 3
    for image in matched.images:
        flat = image.ravel().astype(int)
        assert (np.diff(flat) >= 0).all()
        assert set(flat) <= set(np.concatenate(values))
    np.testing.assert_array_equal(matched.images, load(spec).images)


def test_histograms_are_the_sorted_values_of_images_at_equal_steps_of_rank():
    images = np.arange(24, dtype=np.uint8)[::-1].reshape(3, 2, 2, 2)
    kept = histograms(images, kept=3, levels=2)
    # Of four sorted values the second and the last; channels apart.
    assert sorted(kept.tolist()) == [
        [[3, 2], [7, 6]],
        [[11, 10], [15, 14]],
        [[19, 18], [23, 22]],
    ]
    assert histograms(images, kept=7, levels=1).shape == (7, 1, 2)
    np.testing.assert_array_equal(kept, histograms(images, kept=3, levels=2))


def test_matched_keeps_labels(folders):
    eyes = {"source": "procedural_eyes", "domain": "simulator", "split": "train", "seed": 0}
    eyes |= {"count": 2, "height": 8, "width": 8}
    matched = load({"source": "matched", "images": eyes, "like": folders["bright"]})
    np.testing.assert_array_equal(matched.labels["gaze"], load(eyes).labels["gaze"])


def test_crops_are_windows_at_places_of_their_own(folders):
    whole = load(folders["bright"]).images
    spec = {"source": "crops", "images": folders["bright"], "height": 5, "width": 6, "copies": 20}
    crops = load(spec)
    assert crops.images.shape == (40, 5, 6, 1)
    assert not crops.labels
    places = set()
    for i, crop in enumerate(crops.images):
        found = [
            (top, left)
            for top in range(4)
            for left in range(3)
            if (whole[i % 2, top : top + 5, left : left + 6] == crop).all()
        ]
        assert len(found) == 1
        places.update(found)
    assert len(places) > 8
    np.testing.assert_array_equal(crops.images, load(spec).images)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"source": "concatenation", "parts": []}, "parts is empty"),
        ({"source": "matched", "images": "ramp", "like": "colour"}, "3 channel"),
        ({"source": "crops", "images": "ramp", "height": 9, "width": 8}, "9x8 windows of 8x8"),
        ({"source": "concatenation", "parts": ["ramp", "colour"]}, "differ in size or type"),
    ],
)
def test_sets_that_do_not_fit_are_one_clear_line(folders, tmp_path, spec, says):
    (tmp_path / "colour").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "colour" / "0.png")
    folders["colour"] = {"source": "folder", "path": str(tmp_path / "colour")}

    def name_to_spec(x):
        if isinstance(x, list):
            return [folders[y] for y in x]
        return folders.get(x, x)

    with pytest.raises(UserError, match=says):
        load({key: name_to_spec(value) for key, value in spec.items()})
