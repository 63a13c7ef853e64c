import numpy as np
import pytest

from simgan_jax.metrics.eye_whites import contrasts, regions, whites

LABELS = {
    "iris_ellipse": np.array([[27.0, 17, 8, 8, 0]]),
    "lid": np.array([[[8.0, 17], [18, 9], [36, 9], [46, 17], [36, 25], [18, 25]]]),
}


def repeated(count):
    return {name: np.repeat(values, count, 0) for name, values in LABELS.items()}


def eyes(count=1, iris=-0.5, left=0.4, right=0.6):
    """Grey skin, and an eye whose parts are painted beyond the edges that are kept away from."""
    parts = regions(LABELS, (1, 35, 55))[0]
    x = np.arange(55)
    image = np.where(x < 27, left, right) * np.ones((35, 1))
    image[np.hypot(x - 27, np.arange(35)[:, None] - 17) < 8] = iris
    assert (image[parts[0]] == iris).all()
    return np.repeat(image[None, ..., None], count, 0)


def test_regions_keep_away_from_lids_and_iris():
    iris, left, right = regions(LABELS, (1, 35, 55))[0]
    assert iris[17, 27]
    assert iris[17, 21]  # 6 px from the centre
    assert not (iris | left)[17, 18:20].any()
    assert left[17, 17]  # 10 px
    assert right[17, 37]
    assert not (iris | left | right)[8:10].any()
    assert not left[:, 27:].any()
    assert not right[:, :28].any()
    np.testing.assert_array_equal(left[:, 1:27], right[:, 53:27:-1])


def test_contrast_of_each_white():
    found = contrasts(eyes(), regions(LABELS, (1, 35, 55)))
    np.testing.assert_allclose(found, [[0.9, 1.1]])


def test_a_white_that_hardly_shows_has_no_contrast():
    turned = LABELS | {"iris_ellipse": np.array([[38.0, 17, 8, 8, 0]])}
    found = contrasts(eyes(), regions(turned, (1, 35, 55)))
    assert np.isfinite(found[0, 0])
    assert np.isnan(found[0, 1])


def test_a_second_pupil_on_a_part_of_the_white_is_seen():
    before, after = eyes(4), eyes(4)
    left = np.nonzero(regions(LABELS, (1, 35, 55))[0, 1])
    few, many = len(left[0]) // 5, len(left[0]) // 3
    for i, count in ((1, few), (2, many), (3, many)):
        after[i, left[0][:count], left[1][:count]] = -0.9
    found = whites(before, after, repeated(4))
    # 8 whites; a third of two is dark, a fifth of another does not count.
    assert found.lost == 2 / 8
    assert found.dark == {"synthetic": 0, "refined": 2 / 8}
    assert found.count == 8
    assert found.interval[0] <= found.lost <= found.interval[1]


def test_a_white_that_was_dark_before_cannot_be_lost():
    before, after = eyes(left=-0.6), eyes(left=-0.9, right=-0.7)
    found = whites(before, after, LABELS)
    assert found.lost == 1  # the right one; the left one was dark
    assert found.dark == {"synthetic": 0.5, "refined": 1}


@pytest.mark.parametrize("curve", [np.tanh, lambda x: 0.2 * x - 0.7, lambda x: np.sign(x) * x**2])
def test_no_rising_tone_curve_loses_a_white(curve):
    rng = np.random.default_rng(0)
    before = eyes(30) + rng.normal(0, 0.6, (30, 35, 55, 1))
    found = whites(before, curve(before), repeated(30))
    assert found.lost == 0
    assert found.dark["refined"] == found.dark["synthetic"]


def test_nothing_to_lose_is_not_a_number():
    found = whites(eyes(left=-0.9, right=-0.9), eyes(), LABELS)
    assert np.isnan(found.lost)
    assert np.isnan(found.interval).all()
