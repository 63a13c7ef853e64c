"""Intervals over images and over seeds, against tables and by their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgan_jax.metrics.intervals import mean_interval, ratio_interval, span, t_interval


def test_interval_over_images_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(100):
        low, high = mean_interval(rng.normal(3, 1, 60), resamples=200, seed=seed)
        hits += low < 3 < high
    assert 86 <= hits <= 100


def test_interval_over_images_of_one_value_is_that_value():
    assert mean_interval(np.array([2.0])) == [2.0, 2.0]


def test_whole_groups_are_drawn():
    # Two groups of means 0 and 1: of their bootstrap means a quarter each is 0 and 1.
    values, groups = np.repeat([0.0, 1.0], 50), np.repeat([7, 3], 50)
    assert mean_interval(values, groups) == [0.0, 1.0]


def test_interval_over_seeds_is_that_of_students_table():
    # t for 2 degrees of freedom is 4.3027, the standard deviation 1: 4.3027 / sqrt(3) = 2.4841.
    assert t_interval(np.array([5.0, 6.0, 7.0])) == pytest.approx([3.5159, 8.4841], abs=1e-4)
    # t for 1 degree of freedom is 12.7062, the standard deviation sqrt(2).
    assert t_interval(np.array([1.0, 3.0])) == pytest.approx([2 - 12.7062, 2 + 12.7062], abs=1e-4)


def test_one_seed_has_no_interval():
    assert t_interval(np.array([5.0])) is None
    assert ratio_interval(np.array([1.0]), np.array([2.0])) is None


def test_ratio_of_a_denominator_without_spread_is_the_scaled_interval():
    found = ratio_interval(np.array([5.0, 6.0, 7.0]), np.full(3, 2.0))
    assert found == pytest.approx([3.5159 / 2, 8.4841 / 2], abs=1e-4)


seeds = st.lists(st.floats(-10, 10), min_size=3, max_size=6)


@given(seeds, st.floats(0.1, 3))
def test_ends_of_a_ratios_interval_are_where_the_difference_can_be_zero(values, spread):
    numerator = np.array(values)
    denominator = 10 + spread * np.sin(7 * np.arange(len(values)))
    for end in ratio_interval(numerator, denominator):
        low, high = t_interval(numerator - end * denominator)
        assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-4)


@given(seeds)
def test_a_ratio_is_clear_exactly_where_its_numerator_is(values):
    numerator = np.array(values)
    low, high = t_interval(numerator)
    if min(abs(low), abs(high)) > 1e-6:
        ratio_low, ratio_high = ratio_interval(numerator, 10 + np.cos(np.arange(len(values))))
        assert (ratio_low > 0 or ratio_high < 0) == (low > 0 or high < 0)


def test_a_ratio_has_no_interval_where_its_denominator_may_be_zero():
    assert ratio_interval(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 1.0, 0.5])) is None


def test_span_holds_both():
    assert span([-1.0, 2.0], [0.0, 1.0]) == [-1.0, 2.0]
    assert span([-1.0, 1.0], [0.0, 2.0]) == [-1.0, 2.0]
