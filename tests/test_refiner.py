import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import monitoring
from refiners import at_once, random_images, random_refine

from simgan_jax import data
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.metrics import label_shift
from simgan_jax.ranges import to_unit
from simgan_jax.refinement import weights
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.refinement.refiner import Refine
from simgan_jax.refinement.windows import windows


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


@given(size=st.integers(1, 200), window=st.integers(1, 200), margin=st.integers(0, 20))
def test_windows_cover_an_axis_once_and_only_where_they_are_exact(size, window, margin):
    window = min(max(window, 2 * margin + 1), size)
    found = windows(size, window, margin)
    assert [x for w in found for x in range(w.first, w.last)] == list(range(size))
    for w in found:
        assert 0 <= w.start <= size - window
        assert w.start == 0 or w.first - w.start >= margin
        assert w.start + window == size or w.start + window - w.last >= margin


@pytest.mark.parametrize("padding", ["REFLECT", "SAME"])
def test_windows_give_exactly_what_the_whole_image_gives(padding):
    images = random_images(2, 50, 61, 1, dtype=np.uint16)
    whole = random_refine(padding=padding)
    tiled = random_refine(padding=padding, max_pixels=24 * 24)
    assert tiled.window(50, 61) == (24, 24)
    expected = at_once(whole, images)
    assert np.abs(expected.astype(int) - images).mean() > 1000
    # One step of 65,536 is what float sums in another order may do.
    difference = np.abs(tiled(images).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_windows_of_a_refiner_with_noise_fit_each_other():
    images = random_images(1, 40, 40, 1)
    whole, tiled = (random_refine(noise_channels=2, max_pixels=n) for n in (None, 20 * 20))
    np.testing.assert_array_equal(whole(images), tiled(images))


@pytest.mark.parametrize("count", [1, 5, 16, 67])
def test_no_image_is_lost_whatever_the_batch(refiner, count):
    images = random_images(count, 20, 30, 1)
    refined = refiner(images)
    assert refined.dtype == np.uint8
    np.testing.assert_array_equal(refined, at_once(refiner, images))


def test_refiners_of_one_architecture_share_what_is_compiled():
    images = random_images(8, 21, 22, 1)
    seen = []

    def traced(name, *_, **__):
        seen.append(name)

    results = []
    monitoring.register_event_duration_secs_listener(traced)
    try:
        for seed in (1, 2):
            refine = random_refine(seed)
            seen.clear()
            results.append(refine(images))
    finally:
        monitoring.unregister_event_duration_listener(traced)
    assert not [name for name in seen if "compile" in name]
    assert (results[0] != results[1]).any()


def test_empty_array_stays_empty(refiner):
    assert refiner(np.zeros((0, 8, 8, 1), np.uint8)).shape == (0, 8, 8, 1)


def test_each_image_keeps_its_noise_in_any_company():
    refiner = random_refine(noise_channels=1)
    images = np.repeat(random_images(1, 16, 16, 1), 6, axis=0)
    together = refiner(images)
    assert (together[0] != together[1]).any()
    np.testing.assert_array_equal(refiner(images[2:4], rows=np.array([2, 3])), together[2:4])
    other = Refine(refiner.refiner, refiner.params, seed=1)
    assert (other(images) != together).any()


def test_images_get_the_grey_values_of_real_ones_before_they_are_refined(refiner):
    dark, bright = np.arange(64), np.arange(192, 256)
    histograms = np.stack([dark, bright])[..., None].astype(np.uint8)
    first = Refine(refiner.refiner, refiner.params, histograms=histograms)
    images = random_images(8, 16, 16, 1)
    matched = first.match(images)
    assert {int(x.min()) // 64 for x in matched} == {int(x.max()) // 64 for x in matched} == {0, 3}
    np.testing.assert_array_equal(first(images), refiner(matched))
    # Each keeps its own in any company; another seed draws others.
    rows = np.array([2, 5])
    np.testing.assert_array_equal(first.match(images[rows], rows), matched[rows])
    assert (
        Refine(refiner.refiner, refiner.params, seed=1, histograms=histograms).match(images)
        != matched
    ).any()
    # What they were comes back at strength 0, and a colour keeps its chroma.
    np.testing.assert_array_equal(first.at(0)(images), images)
    colour = random_images(1, 16, 16, 3, seed=3) // 2 + 64
    grey = image_files.luminance(colour)
    change = refiner(first.match(grey)).astype(int) - grey
    np.testing.assert_array_equal(first(colour), (colour + change).clip(0, 255))
    assert first.sha256 != refiner.sha256


def test_deeper_images_get_the_same_grey_values(refiner):
    histograms = np.array([[51, 204]], np.uint8)[..., None]
    first = Refine(refiner.refiner, refiner.params, histograms=histograms)
    image = np.array([[7, 9], [60_000, 8]], np.uint16)[None, ..., None]
    assert first.match(image).ravel().tolist() == [13_107, 52_428, 52_428, 13_107]


def test_a_grey_refiner_moves_colours_along_the_grey_axis(refiner):
    colour = random_images(1, 16, 16, 3, seed=3) // 2 + 64
    refined = refiner(colour).astype(int)
    grey = image_files.luminance(colour)
    change = refiner(grey).astype(int) - grey
    np.testing.assert_array_equal(refined, (colour + change).clip(0, 255))


def test_grey_in_three_channels_stays_grey(refiner):
    grey = random_images(2, 16, 16, 1)
    np.testing.assert_array_equal(refiner(grey.repeat(3, axis=3)), refiner(grey).repeat(3, axis=3))


def test_a_colour_refiner_takes_grey_images():
    refined = random_refine(channels=3)(random_images(2, 16, 16, 1))
    assert refined.shape == (2, 16, 16, 1)


def test_arguments_that_cannot_work_are_one_line(refiner):
    with pytest.raises(UserError, match=r"float64 \(2, 8, 8, 1\), must be uint8 or uint16"):
        refiner(np.zeros((2, 8, 8, 1)))
    with pytest.raises(UserError, match="images have 2 channels, the refiner takes 1"):
        refiner(np.zeros((2, 8, 8, 2), np.uint8))
    with pytest.raises(UserError, match="max_pixels is 48, must be at least 49"):
        random_refine(max_pixels=48)


def test_checksum_names_the_weights(refiner):
    assert refiner.sha256 == random_refine().sha256
    assert refiner.sha256 != random_refine(seed=1).sha256
    assert refiner.sha256 != random_refine(padding="REFLECT").sha256


def test_the_pretrained_refiner_changes_eyes_and_keeps_their_irises():
    refine = load_refiner(pretrained="eyes")
    eyes = data.load({"source": "procedural_eyes", "count": 32, "height": 35, "width": 55})
    refined = refine(eyes.images)
    before, after = to_unit(eyes.images), to_unit(refined)
    assert np.abs(after - before).mean() > 0.1
    window = label_shift.window(eyes.labels, before.shape[:3])
    shift = label_shift.summarize(label_shift.measure(before, after, window), before.shape[2])
    assert shift["mean"] < 0.5
    assert weights.pretrained("eyes").stat().st_size < 1.5e6


def test_a_refiner_is_of_a_run_or_of_the_package(tmp_path):
    with pytest.raises(UserError, match="name either"):
        load_refiner()
    with pytest.raises(UserError, match="name either"):
        load_refiner(tmp_path, pretrained="eyes")
