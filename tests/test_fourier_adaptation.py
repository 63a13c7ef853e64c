import numpy as np
import pytest
from PIL import Image

from simgan_jax.data import load
from simgan_jax.data.fourier_adaptation import adapt
from simgan_jax.errors import UserError


def wave(amplitude, phase, cycles=1, size=16):
    """A wave from left to right."""
    x = np.arange(size) * 2 * np.pi / size
    return np.broadcast_to(amplitude * np.cos(cycles * x + phase), (size, size))


def picture(values, dtype=np.uint8):
    return np.rint(values)[None, ..., None].astype(dtype)


@pytest.mark.parametrize("beta", [0, 0.1, 0.5])
def test_a_constant_image_takes_the_mean_brightness_of_the_other(beta):
    dark, bright = picture(np.full((6, 9), 40.0)), picture(np.full((6, 9), 180.0))
    assert (adapt(dark, bright, beta) == 180).all()
    assert (adapt(bright, dark, beta) == 40).all()
    assert (adapt(0 * dark, bright, beta) == 180).all()


def test_without_a_window_only_the_mean_is_taken_over():
    ours, theirs = picture([[90.0, 110], [110, 90]]), picture([[0.0, 200], [200, 120]])
    # Means 100 and 130.
    np.testing.assert_array_equal(adapt(ours, theirs, 0)[0, ..., 0], [[120, 140], [140, 120]])


def test_low_waves_get_the_strength_of_the_others_and_keep_their_place():
    ours, theirs = picture(100 + wave(20, 0.7)), picture(140 + wave(50, -1.9))
    expected = 140 + wave(50, 0.7)
    np.testing.assert_allclose(adapt(ours, theirs, 0.1)[0, ..., 0], expected, atol=2)


def test_waves_finer_than_the_window_and_so_edges_stay():
    fine = wave(30, 0.4, cycles=5)
    ours, theirs = picture(100 + fine), picture(100 + wave(25, 1.0, cycles=4) + wave(40, 0, 2))
    # 5 of 16 pixels are 0.31 cycles per pixel; the other image has no such wave, ours no others.
    np.testing.assert_allclose(adapt(ours, theirs, 0.2)[0, ..., 0], 100 + fine, atol=2)
    edge = picture(np.where(np.arange(32) < 13, 60.0, 160)[None].repeat(32, 0))
    light = picture(120 + wave(60, 0.3, size=32))
    steps = np.diff(adapt(edge, light, 0.05)[0, 5, :, 0].astype(int))
    assert np.argmax(steps) == 12
    assert steps[12] > 80


def test_values_stay_in_the_range_of_the_type():
    ours = picture(np.where(np.arange(16) < 4, 65535.0, 0)[None].repeat(16, 0), np.uint16)
    adapted = adapt(ours, picture(np.full((16, 16), 60000.0), np.uint16), 0.1)
    assert adapted.dtype == np.uint16
    assert adapted.max() == 65535


def test_every_channel_is_adapted_alone_and_the_draw_repeats():
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(0, 256, (2, 5, 8, 6, 3), np.uint8)
    adapted = adapt(ours, theirs, 0.2, seed=3)
    np.testing.assert_array_equal(adapted, adapt(ours, theirs, 0.2, seed=3))
    assert (adapted != adapt(ours, theirs, 0.2, seed=4)).any()
    np.testing.assert_array_equal(
        adapted[..., 1:2], adapt(ours[..., 1:2], theirs[..., 1:2], 0.2, seed=3)
    )


def test_the_data_source_keeps_labels_and_repeats(tmp_path):
    Image.fromarray(np.full((35, 55), 200, np.uint8)).save(tmp_path / "0.png")
    eyes = {"source": "procedural_eyes", "count": 3}
    like = {"source": "folder", "path": str(tmp_path)}
    plain, adapted = load(eyes), load({"source": "fda", "images": eyes, "like": like})
    np.testing.assert_array_equal(adapted.labels["gaze"], plain.labels["gaze"])
    np.testing.assert_allclose(adapted.images.mean((1, 2, 3)), 200, atol=6)  # some are clipped


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta": 0.6}, "beta is 0.6; expected 0 to 0.5"),
        ({"beta": "low"}, "beta is 'low'"),
        (
            {"like": {"source": "procedural_eyes", "count": 1, "height": 36}},
            "35x55x1 uint8.*36x55x1",
        ),
    ],
)
def test_what_does_not_fit_is_one_clear_line(changes, words):
    eyes = {"source": "procedural_eyes", "count": 1}
    with pytest.raises(UserError, match=words):
        load({"source": "fda", "images": eyes, "like": eyes} | changes)
