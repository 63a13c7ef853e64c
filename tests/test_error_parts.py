"""What errors are made of, from errors that were made so."""

import itertools

import numpy as np
import pytest

from experiments.real_people import error_parts
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.metrics import angles


def test_errors_are_cut_into_parts_that_add_up():
    sides = np.array(list(itertools.product((-1, 1), repeat=4)))
    person, pose, label, other = sides.T
    true = 7.0 + 4.0 * label
    signed = 1.0 + 2.0 * person + 3.0 * pose - 0.25 * (true - 7.0) + 0.5 * other
    found = error_parts.parts(signed, person, pose, true)
    assert found == pytest.approx(
        {"all": 15.25, "bias": 1.0, "people": 4.0, "poses": 9.0, "slope": 1.0, "rest": 0.25}
    )


def test_parts_add_up_of_any_errors():
    rng = np.random.default_rng(0)
    signed, true = rng.normal(2, 3, (2, 50))
    found = error_parts.parts(signed, rng.integers(0, 4, 50), rng.integers(0, 3, 50), true)
    assert found["all"] == pytest.approx(np.mean(signed**2))
    assert sum(found.values()) == pytest.approx(2 * found["all"])


def test_an_estimator_that_reads_half_of_every_angle_has_a_wrong_slope_and_nothing_else():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 0.1, (30, 2))
    true -= true.mean(0)
    test = Arrays(
        np.zeros((30, 4, 4, 1), np.uint8),
        {"gaze": angles.from_pitch_yaw(true), "participant": np.zeros(30, int)},
    )
    found = error_parts.parts_of(
        [lambda images: angles.from_pitch_yaw(true / 2)], test, np.zeros(30)
    )
    for axis, name in enumerate(("pitch", "yaw")):
        assert found[name]["answer"] == pytest.approx(0.5, abs=1e-4)
        half = np.degrees(true[:, axis].std()) / 2
        assert found[name]["slope"] == pytest.approx(half, rel=1e-3)
        assert found[name]["all"] == pytest.approx(half, rel=1e-3)
        assert found[name]["rest"] == pytest.approx(0, abs=1e-3)


def test_a_column_is_read_beside_those_that_the_data_source_knows(tmp_path):
    (tmp_path / "t.csv").write_text("file,target_head_yaw_deg\na.png,15\nb.png,-15\n")
    assert error_parts.column(tmp_path / "t.csv", error_parts.POSE).tolist() == [15.0, -15.0]
    with pytest.raises(UserError, match="no column head"):
        error_parts.column(tmp_path / "t.csv", "head")
