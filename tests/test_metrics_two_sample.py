"""Fresh discriminators, sliced Wasserstein and power spectrum."""

import numpy as np
import pytest

from simgan_jax.metrics import two_sample
from simgan_jax.metrics.two_sample import Budget, discriminator_accuracy
from simgan_jax.models import Discriminator
from simgan_jax.models.discriminator import Layer

NETWORK = Discriminator(layers=(Layer(8, 3, 2), Layer(8, 3, 2)))
BUDGET = Budget(steps=80, batch=16, learning_rate=5e-3)


def noise(count, seed, smooth=False):
    """Noise images [n, 16, 16, 1], or the same, smoothed along the rows."""
    x = np.random.default_rng(seed).normal(128, 40, (count, 16, 16, 1))
    if smooth:
        x = 128 + sum(np.roll(x, i, 2) - 128 for i in range(4)) / 2
    return x.clip(0, 255).astype(np.uint8)


def accuracy(real, other, **keywords):
    return discriminator_accuracy(real, other, BUDGET, network=NETWORK, **keywords)


@pytest.mark.parametrize("whole_image", [False, True])
def test_different_textures_are_told_apart(whole_image):
    seen = []
    found = accuracy(
        noise(60, 0), noise(40, 1, smooth=True), whole_image=whole_image, advance=seen.append
    )
    assert seen == 80 * [16]
    assert found["accuracy"] > 0.8
    assert found["interval"][0] <= found["accuracy"] <= found["interval"][1]
    assert found["images"] == 50


def test_two_samples_of_one_distribution_are_not():
    found = accuracy(noise(120, 0), noise(120, 1))
    assert abs(found["accuracy"] - 0.5) < 0.06


def test_the_same_seed_gives_the_same_number():
    assert accuracy(noise(20, 0), noise(20, 1), seed=4) == accuracy(
        noise(20, 0), noise(20, 1), seed=4
    )


def test_micro_batches_change_nothing_but_rounding():
    found = [
        accuracy(noise(20, 0), noise(20, 1, smooth=True)),
        discriminator_accuracy(
            noise(20, 0), noise(20, 1, smooth=True), BUDGET._replace(micro_batch=4), network=NETWORK
        ),
    ]
    assert found[0]["accuracy"] == pytest.approx(found[1]["accuracy"], abs=0.03)


def test_too_few_images_are_an_error():
    with pytest.raises(ValueError, match="3 real"):
        accuracy(noise(3, 0), noise(20, 1))


def test_sliced_wasserstein_of_a_shift_is_its_mean_projection():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 3))
    move = np.array([2.0, 0, 0])
    found = two_sample.sliced_wasserstein(points, points + move, projections=4000)
    # The first coordinate of a random direction in three dimensions has mean size 1/2.
    assert found == pytest.approx(1.0, rel=0.03)


def test_sliced_wasserstein_in_one_dimension_is_exact():
    a, b = np.array([[0.0], [1.0]]), np.array([[0.0], [0.0], [3.0], [3.0]])
    assert two_sample.sliced_wasserstein(a, b, projections=3) == pytest.approx(1.0)
    assert two_sample.sliced_wasserstein(b, b[::-1]) == 0


def test_patches_are_pieces_of_the_images():
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1) * 4
    patches = two_sample.random_patches(image, side=3, count=50)
    assert patches.shape == (50, 9)
    steps = np.round(np.diff(patches.reshape(50, 3, 3), axis=2) * 127.5, 3)
    assert (steps == 4).all()


def test_power_of_a_wave_lies_at_its_frequency():
    wave = 0.5 * np.sin(2 * np.pi * 0.25 * np.arange(32))
    frequencies, power = two_sample.power_spectrum(np.tile(wave, (2, 32, 1))[..., None], bins=8)
    assert abs(frequencies[power.argmax()] - 0.25) <= 0.5 / 8
    far = np.abs(frequencies - 0.25) > 0.13
    assert power[far].max() < 1e-3 * power.max()


def test_power_of_white_noise_is_its_variance_everywhere():
    x = np.random.default_rng(0).normal(0, 0.3, (300, 24, 24, 1)).astype(np.float32)
    _, power = two_sample.power_spectrum(x, bins=6)
    np.testing.assert_allclose(power[1:], 0.09, rtol=0.05)


def test_ten_times_the_power_is_ten_decibels():
    a = np.array([1.0, 2, 3])
    assert two_sample.spectrum_distance(a, 10 * a) == pytest.approx(10)
