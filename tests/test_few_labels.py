"""Which labelled images are drawn, how they are learned from, and what the results say."""

import jax
import numpy as np
import pytest

from experiments.few_labels import __main__ as few_labels
from simgan_jax.data import Arrays
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.estimators.settings import EstimatorSettings
from simgan_jax.evaluation.plan import Plan
from simgan_jax.metrics.angles import from_pitch_yaw
from simgan_jax.models.gaze_estimator import GazeEstimator

SETTINGS = EstimatorSettings(width=0.1, steps=2, batch=8, micro_batch=8, looks=1)


def eyes(count, people=1):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 20, 24, 1), dtype=np.uint8)
    gaze = from_pitch_yaw(rng.normal(0, 0.1, (count, 2))).astype(np.float32)
    # Person by person, the first with most images.
    person = np.sort(np.arange(count) % (people + 1) % people)
    return Arrays(images, {"gaze": gaze, "participant": person})


def test_few_images_are_of_many_people_and_more_contain_the_fewer():
    labelled = eyes(60, people=5)
    people = labelled.labels["participant"]
    order = few_labels.in_turn(labelled, seed=0)
    assert sorted(order) == list(range(60))
    assert sorted(people[order[:5]]) == [0, 1, 2, 3, 4]
    assert np.bincount(people[order[:20]]).tolist() == [4] * 5
    assert np.bincount(people[order]).tolist() == [20, 10, 10, 10, 10]
    assert set(few_labels.in_turn(labelled, seed=1)[:10]) != set(order[:10])


def test_images_of_nobody_known_are_drawn_at_random():
    labelled = Arrays(eyes(20).images)
    order = few_labels.in_turn(labelled, seed=0)
    assert sorted(order) == list(range(20))
    assert order.tolist() != list(range(20))


@pytest.mark.parametrize(
    ("count", "alone", "batch", "steps", "rate"),
    [
        (50, False, 16, 100, 1e-3 / 3),
        (1000, False, 16, 1875, 1e-3 / 3),
        (1000, True, 16, 4000, 1e-3),
        (10, True, 5, 12800, 1e-3),
    ],
)
def test_tuning_is_short_and_slow_and_what_begins_with_nothing_trains_in_full(
    count, alone, batch, steps, rate
):
    found = few_labels.tuning(EstimatorSettings(steps=8000, batch=8), count, alone)
    assert (found.batch, found.micro_batch, found.steps) == (batch, batch, steps)
    assert found.learning_rate == pytest.approx(rate)
    assert found.validation == 0.2


def test_every_start_predicts_with_every_number_of_labels():
    network = GazeEstimator(3, SETTINGS.width)
    params = jax.jit(network.init)(jax.random.key(0), np.zeros((1, 20, 24, 1)))["params"]
    start = Estimator("gaze", network, params, ())
    plan = Plan((), 1, 0, 0, 0, False, SETTINGS)
    test = eyes(4)
    starts = {"synthetic": [start]}
    found = few_labels.tune_all(plan, "gaze", starts, eyes(24), test, False, (0, 20))
    assert found.keys() == {("synthetic", 0), ("synthetic", 20), ("alone", 20)}
    np.testing.assert_array_equal(found["synthetic", 0][0], start(test.images))
    assert np.abs(found["synthetic", 20][0] - found["alone", 20][0]).max() > 1e-3


def test_rows_and_differences_by_hand():
    test = Arrays(np.zeros((4, 20, 24, 1), np.uint8), {"gaze": from_pitch_yaw(np.zeros((4, 2)))})

    def off(*degrees):
        """Predictions, one a seed, whose yaw is wrong by so much in all images."""
        return [from_pitch_yaw(np.radians([[0, x]] * 4)) for x in degrees]

    predictions = {("refined", 50): off(4, 5), ("alone", 50): off(8, 10), ("refined", 0): off(6, 6)}
    rows = few_labels.table_rows("gaze", predictions, test)
    assert [(row["start"], row["labels"]) for row in rows] == list(predictions)
    assert [row["error"] for row in rows] == pytest.approx([4.5, 9.0, 6.0])
    (one,) = few_labels.compare("gaze", predictions, test)
    assert (one["start"], one["against"], one["labels"]) == ("refined", "alone", 50)
    assert one["difference"] == pytest.approx(-4.5)
    assert one["over_images"] == pytest.approx([-4.5, -4.5])
    runs = {"a/b": {"rows": rows, "unit": "degrees"}}
    (axes,) = few_labels.draw(runs).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "50"]
