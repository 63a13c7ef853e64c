"""Labels of renderings beside readings of real images, on images whose brightness is the label."""

import jax.numpy as jnp
import numpy as np
import pytest
from test_label_preservation import BrightLooksUp, grey

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators.coordinates import COORDINATES
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation.label_distributions import (
    compare_framing,
    conclusion,
    first_look,
    measure_label_distributions,
)
from simgan_jax.metrics.angles import from_pitch_yaw
from simgan_jax.metrics.darkest_disc import darkest_disc
from simgan_jax.reporting.label_distributions import REMEDY, label_advice, label_table

# Grey levels of the renderings; a pitch of 0.5 degrees a level from 100 up is their label.
LEVELS = np.array([80, 90, 110, 120])
DEGREE = np.degrees(1 / 127.5)  # what a level is to an estimator of gain 1


def looking(pitch):
    """Gaze labels; yaw goes with the sign of what is not pitch, so that it has a spread."""
    yaw = np.resize([1.0, -1.0], len(pitch))
    return from_pitch_yaw(np.radians(np.stack([pitch, yaw], -1)))


def measured(real, levels=LEVELS):
    renderings = Arrays(grey(levels), {"gaze": looking(0.5 * (levels - 100.0))})
    estimators = [
        Estimator("gaze", BrightLooksUp(), {"gain": jnp.float32(gain)}, ()) for gain in (1, 0.5)
    ]
    return measure_label_distributions(estimators, renderings, renderings, Arrays(grey(real)))


@pytest.fixture(scope="module")
def found():
    return measured(np.array([130, 130, 135, 145]))


def test_real_images_are_compared_with_readings_of_renderings(found):
    pitch = found["axes"]["pitch"]
    # Levels of 80 to 120 are labels of -10 to 10 degrees; real ones are 35 levels brighter in the mean.
    assert pitch["labels"] == pytest.approx({"mean": 0, "std": np.sqrt(62.5)}, abs=1e-4)
    assert pitch["difference"] == pytest.approx(35 * 0.75 * DEGREE, rel=1e-4)
    assert pitch["per_estimator"] == pytest.approx([35 * DEGREE, 17.5 * DEGREE], rel=1e-4)
    assert pitch["real"]["std"] == pytest.approx(0.75 * DEGREE * np.sqrt(37.5), rel=1e-4)
    low, high = pitch["interval"]
    assert 0 < low < pitch["difference"] < high
    assert (found["held_out_images"], found["real_images"], found["estimators"]) == (4, 4, 2)
    assert found["unit"] == "degrees"


def test_the_pull_towards_the_mean_is_measured_and_undone(found):
    pitch = found["axes"]["pitch"]
    # Both read 0.75 of DEGREE a level in the mean, where labels have half a degree.
    assert pitch["slope"] == pytest.approx(1.5 * DEGREE, rel=1e-4)
    assert pitch["corrected"] == pytest.approx(17.5, rel=1e-4)
    low, high = pitch["corrected_interval"]
    assert low < 17.5 < high


def test_grey_values_alone_tell_what_the_look_does(found):
    # With the real images' grey values the renderings have their brightness, and these estimators read
    # nothing else.
    pitch = found["axes"]["pitch"]
    assert abs(pitch["look"] - pitch["difference"]) < 10 * DEGREE


def test_what_cannot_be_read_is_said_and_not_corrected(found):
    yaw = found["axes"]["yaw"]
    assert yaw["slope"] == pytest.approx(0, abs=1e-6)
    assert yaw["corrected"] is None
    assert "cannot read yaw" in " ".join(found["sentences"])


def axis(**changes):
    same = {"mean": 0.0, "std": 8.0}
    figures = {"labels": same, "synthetic": same, "real": same, "look": 0.5, "slope": 0.8}
    figures |= {"difference": 0.1, "interval": [-0.2, 0.4], "corrected": 0.125}
    return figures | changes


UP = {"difference": 7.2, "interval": [6.9, 7.5], "corrected": 9.0}


@pytest.mark.parametrize(
    ("task", "changed", "said"),
    [
        (
            "gaze",
            {"pitch": UP},
            "The renderings look further down than the real images are read to: by 7.2 degrees (6.9 to "
            "7.5), or by 9.0 without the estimators' pull towards the mean.",
        ),
        (
            "gaze",
            {"yaw": {"difference": -4.0, "interval": [-4.2, -3.5], "corrected": -5.0}},
            "The renderings look further left than the real images are read to: by 4.0 degrees (3.5 to "
            "4.2), or by 5.0 without the estimators' pull towards the mean.",
        ),
        (
            "hand",
            {"size": {"real": {"mean": 0.0, "std": 4.0}}},
            "The renderings' size is spread more widely: by 8.0 px as it is read (standard deviation), "
            "that of the real images by 4.0.",
        ),
        ("iris", {"y": UP | {"interval": [-1, 9]}}, None),  # chance
        ("iris", {"y": UP | {"look": 7.5}}, None),  # the look alone may do it
        ("iris", {"y": UP | {"corrected": 1.9}}, None),  # a quarter of 8 is 2
    ],
)
def test_a_difference_is_told_where_it_is_clear_and_matters(task, changed, said):
    axes = {name: axis(**changed.get(name, {})) for name in COORDINATES[task].names}
    alike = ["Labels of the renderings and readings of the real images are spread alike."]
    assert conclusion(task, axes) == {"differ": bool(said), "sentences": [said] if said else alike}


def test_what_cannot_be_read_is_no_difference():
    found = conclusion("iris", {"x": axis(), "y": axis(slope=0.29, corrected=None)})
    assert found["differ"] is False
    cannot, remedy = found["sentences"]
    assert cannot.startswith("These estimators cannot read y: on renderings that")
    assert "more renderings, or more updates (config.evaluate.quick.estimator_steps)" in remedy


def discs(places, count=6):
    """Dark discs of radius 6 px on noise, 24 x 40 px, each place `count` times."""
    y, x = np.mgrid[:24, :40]
    rng = np.random.default_rng(0)
    places = np.repeat(np.asarray(places, float), count, axis=0)
    near = np.hypot(x - places[:, :1, None], y - places[:, 1:, None]) < 6
    noise = rng.normal(0, 20, near.shape)
    return (np.where(near, 60, 160) + noise).clip(0, 255).astype(np.uint8)[..., None]


def test_the_darkest_disc_is_found_on_light_and_noise():
    places = [(12, 11), (20, 8), (29, 15)]
    found = darkest_disc(discs(places, count=1))
    np.testing.assert_allclose(found, places, atol=1)


def test_framing_is_compared_by_the_middle_of_many_places():
    synthetic, real = discs([(16, 11), (18, 11), (20, 11)]), discs([(21, 12), (23, 12), (25, 12)])
    found = compare_framing(synthetic, real)
    np.testing.assert_allclose(found["difference"], [5, 1], atol=1)
    axes = {name: axis() for name in ("pitch", "yaw")}
    framing = found | {"difference": [5.0, 1.0], "interval": [[4, 6], [0.5, 1.5]]}
    assert conclusion("gaze", axes, framing) == {
        "differ": True,
        "sentences": [
            "The darkest disc, mostly the iris, lies 5 px further left in the renderings: frame them "
            "alike."
        ],
    }
    framing["difference"] = [0.0, -3.0]
    framing["interval"] = [[0, 0], [-3, -2]]
    (said,) = conclusion("gaze", axes, framing)["sentences"]
    assert "lies 3 px further down in the renderings" in said


def test_hands_are_compared_by_place_and_size():
    joints = np.array([[[10.0, 20.0, 700], [16.0, 28.0, 700]]])
    assert COORDINATES["hand"].read(joints).tolist() == [[13, 24, 5]]


def test_the_page_shows_a_row_an_axis_and_the_advice(found):
    table = label_table(found)
    assert [row[0] for row in table.rows] == ["pitch (up, down)", "yaw (left, right)"]
    assert table.rows[0][1] == "0.0 ± 7.9"
    assert table.rows[0][-1].startswith("+17.5 (")
    assert table.rows[1][-1] == "cannot be read"
    (sentence, _), *_ = label_advice(found)
    assert sentence.endswith(REMEDY)


def test_a_first_look_trains_estimators_of_its_own_and_needs_no_test_set(tiny_config):
    tiny_config.data.test = {}
    tiny_config.evaluate.estimator.update(width=0.03)
    tiny_config.evaluate.quick.update(estimator_steps=3, images=24, probe=8)
    found = first_look(tiny_config)
    assert (found["estimators"], found["held_out_images"], found["real_images"]) == (2, 8, 32)
    assert set(found["axes"]) == {"pitch", "yaw"}
    assert first_look(tiny_config) == found
    tiny_config.task = "none"
    with pytest.raises(UserError, match=r"config\.task is 'none'.*one of gaze, iris, hand"):
        first_look(tiny_config)


@pytest.mark.parametrize(
    "damaged", [None, [], {"axes": 3}, {"axes": {"pitch": 1}}, {"sentences": 1}]
)
def test_what_is_damaged_is_left_out(damaged):
    assert label_table(damaged) is None
    assert label_advice(damaged) == []
