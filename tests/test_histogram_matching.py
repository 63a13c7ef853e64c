import numpy as np

from simgan_jax.data.histogram_matching import equalized, match_histograms


def test_matched_images_have_the_values_of_another_and_their_own_ranks():
    rng = np.random.default_rng(0)
    images = rng.permutation(35 * 55).reshape(1, 35, 55, 1).astype(np.uint16)
    like = rng.integers(1000, 2000, (1, 35, 55, 1)).astype(np.uint16)
    matched = match_histograms(images, like)
    np.testing.assert_array_equal(np.sort(matched, axis=None), np.sort(like, axis=None))
    order = np.argsort(images, axis=None)
    assert (np.diff(matched.ravel()[order].astype(int)) >= 0).all()


def test_equal_values_stay_equal_when_matched():
    images = np.repeat(np.uint8([[[[10], [20]]]]), 2, axis=3)
    images[..., 1] = 7
    like = np.uint8([[[[0, 0], [100, 50], [200, 100]]]])
    matched = match_histograms(images, like)
    assert len(np.unique(matched[..., 1])) == 1
    assert matched[0, 0, 0, 0] < matched[0, 0, 1, 0]


def test_every_matched_image_follows_a_draw_of_its_own():
    images = np.zeros((40, 2, 2, 1), np.uint8)
    like = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 3, 1), np.uint8)
    matched = match_histograms(images, like, seed=1)
    assert set(np.unique(matched)) == set(range(5))
    np.testing.assert_array_equal(matched, match_histograms(images, like, seed=1))


def test_eight_and_sixteen_bits_are_matched_alike():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (5, 8, 9, 2)).astype(np.uint8)
    like = rng.integers(100, 256, (3, 7, 6, 2)).astype(np.uint8)
    deep = match_histograms(images.astype(np.uint16), like.astype(np.uint16))
    np.testing.assert_array_equal(match_histograms(images, like), deep)


def test_equalising_spreads_levels_by_rank():
    # Two of four below or at 10 are the base; 20 is halfway through the rest.
    image = np.array([[10, 10, 20, 30]], np.uint8)
    np.testing.assert_array_equal(equalized(image), [[0, 0, 128, 255]])
    np.testing.assert_array_equal(equalized(image[..., None])[..., 0], [[0, 0, 128, 255]])
    np.testing.assert_array_equal(equalized(np.full((2, 2), 7, np.uint8)), np.zeros((2, 2)))
