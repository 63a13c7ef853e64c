"""Training and testing of estimators on images whose label is where a blob lies."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators.estimator import train
from simgan_jax.estimators.settings import EstimatorSettings, make_settings
from simgan_jax.evaluation.scores import mean_prediction, score
from simgan_jax.metrics import angles
from simgan_jax.models.gaze_estimator import GazeEstimator

SIZE = (20, 24)
SETTINGS = EstimatorSettings(
    width=0.1, steps=180, batch=16, micro_batch=16, looks=3, learning_rate=3e-3
)


def blobs(count, seed):
    """Blobs [n, 20, 24, 1]; gaze turns by 4 degrees a pixel."""
    rng = np.random.default_rng(seed)
    places = rng.uniform([6, 5], [17, 14], (count, 2)).astype(np.float32)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot(x - places[:, :1, None], y - places[:, 1:, None])
    images = (255 / (1 + np.exp(distance - 3))).astype(np.uint8)[..., None]
    turned = np.radians(4 * (places - [11.5, 9.5]))
    gaze = angles.from_pitch_yaw(turned[:, ::-1]).astype(np.float32)
    people = np.arange(count, dtype=np.int32) % 3
    return Arrays(images, {"pupil": places, "gaze": gaze, "participant": people})


@pytest.fixture(scope="module")
def trained():
    return train("gaze", blobs(256, 0), SETTINGS, seed=0)


def test_the_papers_estimator_has_its_sizes():
    shapes = jax.eval_shape(GazeEstimator().init, jax.random.key(0), jnp.zeros((1, 35, 55, 1)))
    kernels = {k: v["kernel"].shape for k, v in shapes["params"].items()}
    assert kernels["conv_3"] == (3, 3, 64, 80)
    assert kernels["dense_0"] == (9600, 1000)
    assert kernels["dense_1"] == (1000, 3)
    # 320 + 9,248 + 18,496 + 46,160 + 138,432 in the convolutions, 9,601,000 + 3,003 in the others.
    assert sum(x.size for x in jax.tree.leaves(shapes)) == 9_816_659


def test_an_image_too_small_is_an_error():
    with pytest.raises(ValueError, match="17 x 30"):
        jax.eval_shape(GazeEstimator().init, jax.random.key(0), jnp.zeros((1, 17, 30, 1)))


@pytest.mark.parametrize("task", ["gaze", "iris"])
def test_an_estimator_learns_and_beats_the_mean(task, trained):
    test = blobs(90, 1)
    estimator = trained if task == "gaze" else train(task, blobs(256, 0), SETTINGS, seed=0)
    found = score(task, [estimator(test.images)], test)
    floor = score(task, [mean_prediction(task, blobs(256, 0), 90)], test)
    assert found["error"] < 0.5 * floor["error"]
    assert found["within"] > floor["within"]
    if task == "gaze":
        np.testing.assert_allclose(np.linalg.norm(estimator(test.images), axis=1), 1, atol=1e-5)


def test_the_same_seed_gives_the_same_estimator_and_another_does_not():
    images = blobs(20, 1).images
    settings = replace(SETTINGS, steps=4, looks=2)
    one, again, other = (
        train("gaze", blobs(64, 0), settings, seed, augmented=True)(images) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3


def test_training_goes_on_from_given_parameters(trained):
    settings = replace(SETTINGS, steps=2, batch=8, micro_batch=8, looks=1, learning_rate=1e-4)
    few = blobs(20, 2)
    before = trained(few.images)
    scratch, tuned = (
        train("gaze", few, settings, seed=0, start=start) for start in (None, trained.params)
    )
    assert len(scratch.validation) == 1
    assert len(tuned.validation) == 2, "what it starts from gets a look too"
    assert max(tuned.validation) < 0.5 * scratch.validation[0]
    np.testing.assert_array_equal(trained(few.images), before)


def test_training_never_ends_with_worse_parameters_than_it_was_given(trained):
    reckless = replace(SETTINGS, steps=2, looks=2, learning_rate=1.0)
    found = train("gaze", blobs(40, 2), reckless, seed=0, start=trained.params)
    assert min(found.validation[1:]) > found.validation[0]
    jax.tree.map(np.testing.assert_array_equal, found.params, trained.params)


def test_micro_batches_change_nothing_but_rounding():
    images = blobs(20, 1).images
    settings = replace(SETTINGS, steps=4, looks=1)
    whole, parts = (
        train("gaze", blobs(64, 0), replace(settings, micro_batch=m), seed=0)(images)
        for m in (16, 4)
    )
    np.testing.assert_allclose(whole, parts, atol=1e-4)


def test_predictions_do_not_depend_on_how_many_are_asked_for(trained):
    images = blobs(70, 1).images
    np.testing.assert_allclose(trained(images)[:3], trained(images[:3]), atol=1e-6)


def test_training_stops_when_its_own_validation_part_gets_no_better():
    noise = blobs(128, 0)
    rng = np.random.default_rng(0)
    noise.images[:] = rng.integers(0, 255, noise.images.shape)
    settings = replace(SETTINGS, steps=80, looks=40, patience=2)
    seen = []
    looks = train("gaze", noise, settings, seed=0, advance=seen.append).validation
    assert len(looks) < 40
    # Two updates between looks, and what progress shows stops with training.
    assert seen == 2 * len(looks) * [settings.batch]
    assert len(looks) - 1 - int(np.argmin(looks)) == 2


def test_a_hand_estimator_has_a_finite_error_and_keeps_the_joints():
    rng = np.random.default_rng(0)
    joints = rng.uniform(4, 28, (40, 3, 3)).astype(np.float32)
    images = rng.integers(0, 65535, (40, 32, 32, 1)).astype(np.uint16)
    hands = Arrays(images, {"joints_uvd": joints})
    settings = EstimatorSettings(
        features=16, depth=1, downsample=2, steps=2, batch=4, looks=1, micro_batch=4
    )
    estimator = train("hand", hands, settings, seed=0, augmented=True)
    found = score("hand", [estimator(images)], hands)
    assert estimator(images).shape == (40, 3, 2)
    assert 0 < found["error"] < 32
    assert found["threshold"] == pytest.approx(5 * 32 / 224)


def test_scores_of_hand_computed_errors():
    gaze = angles.from_pitch_yaw(np.zeros((4, 2)))
    test = Arrays(
        np.zeros((4, 20, 24, 1), np.uint8),
        {"gaze": gaze, "participant": np.array([0, 0, 1, 1], np.int32)},
    )
    yaws = [
        np.radians([[0, 2], [0, 4], [0, -6], [0, 10]]),
        np.radians([[0, 4], [0, 4], [0, 2], [0, 8]]),
    ]
    found = score("gaze", [angles.from_pitch_yaw(y) for y in yaws], test)
    assert found["error"] == pytest.approx(5.0)
    assert found["per_seed"] == pytest.approx([5.5, 4.5])
    assert found["std"] == pytest.approx(np.sqrt(0.5))
    assert found["median"] == pytest.approx(4.0)
    assert found["within"] == pytest.approx(6 / 8)
    assert found["axes"]["yaw"]["error"] == pytest.approx(5.0)
    assert found["axes"]["yaw"]["bias"] == pytest.approx(3.5)
    assert found["axes"]["pitch"]["bias"] == pytest.approx(0, abs=1e-9)
    assert found["participants"] == pytest.approx({"0": 3.5, "1": 6.5})
    # Without a bias of 3 and 2, of 4 and 5 degrees, errors of 1, 1, 8, 8 and 0, 0, 3, 3 are left.
    assert found["calibrated"] == pytest.approx(3.0)
    assert found["interval"] == pytest.approx([3.5, 6.5])
    share = dict(zip(found["thresholds"], found["curve"], strict=True))
    assert share[0.0] == 0
    assert share[5.0] == pytest.approx(5 / 8)
    assert share[30.0] == 1


def test_what_is_missing_is_named():
    unlabelled = Arrays(blobs(40, 0).images)
    with pytest.raises(UserError, match=r"'gaze'.*training set has no labels"):
        train("gaze", unlabelled, SETTINGS, seed=0)
    with pytest.raises(UserError, match="task is 'nose'"):
        train("nose", blobs(40, 0), SETTINGS, seed=0)
    with pytest.raises(UserError, match="10 labelled training images"):
        train("gaze", blobs(10, 0), SETTINGS, seed=0)
    with pytest.raises(UserError, match=r"colour.*there are width"):
        make_settings({"colour": 3})
