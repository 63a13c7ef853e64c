import numpy as np
import pytest

from simgan_jax.metrics.common_change import common_change, diversity


def noise(count, scale=1.0, shape=(12, 16, 1), seed=0):
    return scale * np.random.default_rng(seed).standard_normal((count, *shape))


def test_one_picture_added_to_all_is_the_whole_change():
    synthetic, picture = noise(20, 0.3), noise(1, 0.2, seed=1)
    found = common_change(synthetic, synthetic + picture)
    assert found.share == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(found.interval, [1, 1], atol=1e-3)
    np.testing.assert_allclose(found.picture, picture[0], atol=1e-6)


def test_changes_that_have_nothing_in_common_have_share_0_however_few_they_are():
    shares = [
        common_change(x := noise(6, seed=seed), x + noise(6, seed=seed + 1000)).share
        for seed in range(40)
    ]
    # The mean of 6 independent changes alone has 1/6 of their energy.
    assert np.mean(shares) == pytest.approx(0, abs=0.01)


def test_share_of_two_images_in_literal_numbers():
    synthetic = np.zeros((2, 1, 2, 1))
    refined = np.array([[3.0, 1], [1, -1]]).reshape(2, 1, 2, 1)
    # Products 3 * 1 + 1 * -1 = 2; mean squares (9 + 1) / 2 + (1 + 1) / 2 = 6.
    found = common_change(synthetic, refined)
    assert found.share == pytest.approx(2 / 6)
    np.testing.assert_allclose(found.picture[..., 0], [[2, 0]])
    assert found.brightest == (0, 0, 2)
    assert found.darkest == (1, 0, 0)


def test_half_of_the_energy_in_common_is_a_share_of_a_half():
    synthetic = noise(300, 0.3)
    refined = synthetic + noise(1, 0.1, seed=1) + noise(300, 0.1, seed=2)
    found = common_change(synthetic, refined)
    picture = (noise(1, 0.1, seed=1) ** 2).mean()
    assert found.share == pytest.approx(picture / (picture + 0.01), abs=0.01)
    assert found.interval[0] < found.share < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.02


def test_the_flat_part_is_the_change_of_brightness_alone():
    picture = np.zeros((1, 12, 16, 1))
    picture[:, :, ::2] = 0.2
    picture[:, :, 1::2] = -0.1
    synthetic = noise(10)
    # Mean 0.05, mean square (0.04 + 0.01) / 2.
    found = common_change(synthetic, synthetic + picture)
    assert found.flat == pytest.approx(0.0025 / 0.025, rel=1e-3)
    uneven = synthetic + np.where(np.arange(10) % 2, 0.1, -0.1)[:, None, None, None]
    # Products of different images: -5 / 9 of a pair's, since 25 of 45 pairs have opposite signs.
    assert common_change(synthetic, uneven).flat == pytest.approx(-1 / 9, abs=1e-3)


def painted_beside(centre, size=(20, 30)):
    """A dark dot 4 px right of and 2 px above each centre."""
    change = np.zeros((len(centre), *size, 1))
    for i, (x, y) in enumerate(centre):
        change[i, y - 2, x + 4] = -0.8
    return change


def test_what_is_painted_beside_every_pupil_is_common_in_the_frame_of_the_pupil():
    rng = np.random.default_rng(0)
    centre = np.stack([rng.integers(10, 20, 200), rng.integers(6, 14, 200)], 1)
    synthetic = noise(200, shape=(20, 30, 1))
    refined = synthetic + painted_beside(centre)
    still, moved = (common_change(synthetic, refined, where) for where in (None, centre + 0.3))
    assert still.share < 0.03
    assert moved.share == pytest.approx(1, abs=1e-3)
    assert moved.darkest == (4, -2, pytest.approx(-0.8, abs=1e-5))


def test_what_few_images_reach_is_left_out():
    # The middle is x = 6: the first two images move right by one, the last left by three.
    centre = np.array([[5, 4], [5, 4], [9, 4]])
    synthetic = np.zeros((3, 8, 12, 1))
    refined = synthetic.copy()
    refined[2, :, 11] = 1
    picture = common_change(synthetic, refined, centre).picture[..., 0]
    assert np.isnan(picture[:, 0]).all()  # the last image alone
    np.testing.assert_allclose(picture[:, 8], 1 / 3)
    np.testing.assert_array_equal(np.delete(picture, [0, 8], axis=1), 0)


def test_a_change_of_tone_is_common_and_no_pattern():
    synthetic = np.clip(noise(50, 0.1) + np.linspace(-0.5, 0.5, 16)[:, None], -1, 1)
    refined = 0.4 * synthetic + 0.3
    assert common_change(synthetic, refined).share > 0.5
    assert abs(common_change(synthetic, refined, beyond_tone=True).share) < 0.01


def test_what_is_painted_over_a_change_of_tone_is_the_pattern():
    synthetic = noise(200, 0.3)
    dark = np.zeros((12, 16, 1))
    dark[3:5, 6:8] = -0.5
    found = common_change(synthetic, 0.4 * synthetic + 0.3 + dark, beyond_tone=True)
    energy = (np.square(0.3 + dark - 0.6 * synthetic)).mean()
    # A level has 12 pixels: one that is darker by 1 lowers their mean by 1/12.
    assert found.share == pytest.approx((11 / 12) ** 2 * dark.var() / energy, rel=0.05)
    assert found.darkest[:2] in {(x, y) for x in (6, 7) for y in (3, 4)}
    assert found.flat == pytest.approx(0, abs=1e-3)


def test_what_real_images_have_in_common_is_not_painted():
    synthetic = noise(200, 0.3)
    shadow, spot = np.zeros((2, 12, 16, 1))
    shadow[:3], spot[8, 10] = -0.4, 0.5
    real = noise(400, 0.3, seed=1) + shadow
    learned = common_change(synthetic, synthetic + 0.9 * shadow, real=real)
    assert learned.share == pytest.approx(0, abs=0.01)
    found = common_change(synthetic, synthetic + shadow + spot, real=real)
    # 48 pixels changed by 0.4, one by 0.5.
    assert found.share == pytest.approx(0.25 / (48 * 0.16 + 0.25), abs=0.01)
    assert found.brightest == (10, 8, pytest.approx(0.5, abs=0.06))
    twice = common_change(synthetic, synthetic + 2 * shadow, real=real)
    assert twice.share == pytest.approx(
        0.25, abs=0.02
    )  # half of it too much, a quarter of the energy
    assert twice.picture[:3].mean() == pytest.approx(-0.4, abs=0.02)
    away = common_change(synthetic, synthetic - shadow, real=real)
    assert away.share == pytest.approx(1, abs=0.01)


def test_what_real_images_have_in_common_moves_with_the_pupils():
    rng = np.random.default_rng(0)
    centre = np.stack([rng.integers(10, 20, 200), rng.integers(6, 14, 200)], 1)
    synthetic = noise(200, 0.1, shape=(20, 30, 1))
    shadow = np.zeros((20, 30, 1))
    shadow[:4] = -0.4
    real = noise(200, 0.1, shape=(20, 30, 1), seed=1) + shadow
    refined = synthetic + shadow
    assert common_change(synthetic, refined, centre).share > 0.2
    assert common_change(synthetic, refined, centre, real=real).share < 0.02


def test_no_change_has_no_share():
    synthetic = noise(5)
    assert common_change(synthetic, synthetic).share == 0


def test_one_image_or_scattered_centres_are_errors():
    with pytest.raises(ValueError, match="at least two"):
        common_change(noise(1), noise(1))
    with pytest.raises(ValueError, match="too far apart"):
        common_change(noise(4), noise(4), np.array([[0, 0], [40, 0], [0, 40], [40, 40]]))


def test_diversity_is_the_ratio_of_spreads():
    ratio, (low, high) = diversity(noise(400, 0.5), 3 + noise(300, 2.0, seed=1))
    assert ratio == pytest.approx(0.25, rel=0.02)
    assert low < ratio < high
    assert high - low < 0.03


def test_diversity_in_literal_numbers():
    # Standard deviations 1 and 2 of the pixels, of the real ones 3 and 3.
    refined, real = np.array([[0.0, 10], [2, 6]]), np.array([[3.0, 3], [-3, -3]])
    assert diversity(refined, real)[0] == pytest.approx(0.5)
    assert diversity(np.ones((5, 3)), real)[0] == 0
