"""The registration of simgan_jax.metrics.label_shift on drawn eyes with known motion."""

import numpy as np
import pytest

from simgan_jax.estimators.augmentation import blur
from simgan_jax.metrics import label_shift
from simgan_jax.metrics.outlines import polygon_distance

HEIGHT, WIDTH = 35, 55
LID = np.stack(
    [
        np.concatenate([np.linspace(6, 48, 8), np.linspace(48, 6, 8)]),
        np.concatenate(
            [17 - 7 * np.sin(np.linspace(0, np.pi, 8)), 17 + 6 * np.sin(np.linspace(0, np.pi, 8))]
        ),
    ],
    -1,
)


def soft(distance):
    return 1 / (1 + np.exp(-np.clip(4 * distance, -50, 50)))


def draw(x, y, tone=(0.2, 0.7, -0.4, -0.8)):
    """An eye [35, 55]: lids stay where they are, iris and pupil are at (x, y); tone of each part."""
    skin, sclera, iris, pupil = tone
    pixels = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1).astype(np.float64)
    radius = np.hypot(pixels[..., 0] - x, pixels[..., 1] - y)
    angle = np.arctan2(pixels[..., 1] - y, pixels[..., 0] - x)
    image = np.full((HEIGHT, WIDTH), sclera)
    texture = iris + 0.1 * np.cos(5 * angle) * (radius > 3.5)
    image += (texture - image) * soft(8.8 - radius)
    image += (pupil - image) * soft(3.5 - radius)
    return skin + (image - skin) * soft(polygon_distance(LID, pixels))


def eyes(positions, **keywords):
    return np.stack([draw(*p, **keywords) for p in positions])[..., None].astype(np.float32)


def positions(count, seed=0):
    return np.random.default_rng(seed).uniform([20, 15], [35, 19], (count, 2))


def window(positions):
    count = len(positions)
    ellipse = np.concatenate([positions, np.full((count, 2), 8.8), np.zeros((count, 1))], -1)
    labels = {"iris_ellipse": ellipse, "lid": np.repeat(LID[None], count, 0)}
    return label_shift.window(labels, (count, HEIGHT, WIDTH))


COUNT = 32
PLACES = positions(COUNT)


def error(after, moved):
    shift = label_shift.measure(eyes(PLACES), after, window(PLACES))
    return shift.xy - moved, shift.fit


def test_known_sub_pixel_motions_of_the_iris_behind_fixed_lids_are_found():
    moved = np.random.default_rng(1).uniform(-2, 2, (COUNT, 2))
    difference, fit = error(eyes(PLACES + moved), moved)
    assert np.linalg.norm(difference, axis=-1).mean() < 0.1
    assert np.linalg.norm(difference, axis=-1).max() < 0.4
    assert np.abs(difference.mean(0)).max() < 0.05
    assert fit.min() > 0.9


@pytest.mark.parametrize(
    "change",
    [
        lambda x: 0.4 * x + 0.3,
        lambda x: -0.2 + 1.3 * x,
        lambda x: x + 0.5 * np.linspace(-1, 1, WIDTH)[:, None],
        lambda x: x - 0.5 * np.linspace(-1, 1, HEIGHT)[:, None, None],
        lambda x: 2 * ((x + 1) / 2).clip(0, 1) ** 1.6 - 1,
        lambda x: np.stack([blur(image, 1.3) for image in x]),
        lambda x: x + 0.05 * np.random.default_rng(3).normal(size=x.shape),
    ],
    ids=["contrast", "brighter", "light_x", "light_y", "gamma", "blur", "noise"],
)
def test_a_change_of_appearance_is_no_motion(change):
    difference, _ = error(change(eyes(PLACES)).astype(np.float32), 0)
    assert np.linalg.norm(difference, axis=-1).mean() < 0.12
    assert np.abs(difference.mean(0)).max() < 0.05


def test_motion_is_found_under_a_change_of_appearance():
    moved = np.array([0.7, -0.4])
    other = eyes(PLACES + moved, tone=(0.5, 0.4, -0.3, -0.5))
    difference, _ = error(np.stack([blur(x, 0.8) for x in other]), moved)
    assert np.linalg.norm(difference, axis=-1).mean() < 0.15


def test_a_new_glint_is_no_motion():
    after = eyes(PLACES)
    for image, (x, y) in zip(after, PLACES, strict=True):
        image[round(y) - 2 : round(y), round(x) + 1 : round(x) + 3] = 1.0
    difference, _ = error(after, 0)
    assert np.linalg.norm(difference, axis=-1).mean() < 0.2


def test_an_unrelated_image_is_not_followed():
    noise = np.random.default_rng(0).normal(size=(COUNT, HEIGHT, WIDTH, 1)).astype(np.float32)
    _, fit = error(noise, 0)
    assert (fit < label_shift.FIT).mean() > 0.8
    summary = label_shift.summarize(label_shift.Shift(np.ones((3, 2)), np.zeros(3)), 55)
    assert summary.pop("followed") == 0
    same = label_shift.summarize(label_shift.Shift(np.ones((3, 2)), np.ones(3)), 55)
    assert [*summary, "followed"] == list(same)
    assert all(np.isnan(figure) for figure in summary.values())


def test_summary_of_hand_computed_motions():
    shift = label_shift.Shift(
        np.array([[3.0, 4.0], [0.0, 1.0], [9.0, 9.0]]), np.array([0.9, 0.9, 0.1])
    )
    summary = label_shift.summarize(shift, 110)
    assert summary["mean"] == 3.0
    assert summary["std"] == 2.0
    assert summary["mean_at_55"] == 1.5
    assert (summary["dx"], summary["dy"]) == (1.5, 2.5)
    assert summary["followed"] == pytest.approx(2 / 3)


def test_distance_from_a_square():
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]])
    points = np.array([[2.0, 1.0], [2.0, 2.0], [6.0, 2.0], [7.0, 8.0]])
    np.testing.assert_allclose(polygon_distance(square, points), [1, 2, -2, -5])


def test_the_window_is_the_iris_without_the_lids():
    place = np.array([[27.0, 17.0]])
    seen = window(place)[0]
    assert seen[17, 27] > 0.99
    assert seen[17, 27 + 10] > 0.9, "the limbus belongs to it"
    assert seen[17, 27 + 14] < 0.01
    assert seen[10, 27] < 0.1, "the upper lid does not"


def test_windows_of_other_labels():
    shape = (1, 20, 20)
    disc = label_shift.window({"pupil": np.array([[5.0, 6.0]])}, shape)[0]
    assert disc[6, 5] > 0.99
    assert disc[15, 15] < 1e-6
    mask = label_shift.window({"hand_mask": np.full((1, 20, 20), 255, np.uint8)}, shape)
    assert (mask == 1).all()
    assert (label_shift.window({}, shape) == 1).all()
