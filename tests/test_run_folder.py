"""Reading what may be missing, damaged or of another version."""

import math

import pytest

from simgan_jax.reporting.run_folder import number, numbers, pair


@pytest.mark.parametrize("value", [None, "1", True, math.nan, math.inf, [1.0], {}])
def test_number_takes_finite_numbers_alone(value):
    assert number({"a": {"b": value}}, "a", "b") is None
    assert number({"a": {"b": 1}}, "a", "b") == 1.0
    assert number({"a": 1}, "a", "b") is None


def test_lists_hold_finite_numbers_or_are_left_out():
    assert numbers({"a": [1, 2.5]}, "a") == [1.0, 2.5]
    assert numbers({"a": [1, None]}, "a") == []
    assert numbers({"a": 1}, "a") == []


def test_a_pair_has_two_numbers():
    assert pair({"a": [1, 2]}, "a") == (1.0, 2.0)
    assert pair({"a": [1, 2, 3]}, "a") is None
    assert pair({}, "a") is None
