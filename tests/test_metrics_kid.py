"""Kernel inception distance against a plain NumPy reference."""

import numpy as np
import pytest

from simgan_jax.metrics.kid import LARGEST, features, kid


def reference(x, y):
    """The unbiased estimator, pair by pair (Binkowski 2018, equation 4)."""

    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    m, n = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(k(a, b) for a in x for b in y) / (m * n)
    return xx + yy - 2 * xy


def test_value_of_two_points_by_hand():
    a, b = np.array([[0.0], [0.0]]), np.array([[1.0], [1.0]])
    # k = 1 within a, 8 within b, 1 between.
    assert kid(a, b)["value"] == pytest.approx(1 + 8 - 2)


def test_value_agrees_with_the_reference():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 5)), rng.normal(0.3, 1.2, size=(7, 5))
    assert kid(x, y)["value"] == pytest.approx(reference(x, y))


def test_value_is_unbiased_where_the_distributions_are_equal():
    rng = np.random.default_rng(0)
    values = [kid(*rng.normal(size=(2, 12, 4)), resamples=2)["value"] for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_interval_holds_the_value_and_narrows_with_more_images():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 4)), rng.normal(0.5, 1, size=(400, 4))
    few, many = kid(x[:50], y[:50]), kid(x, y)
    assert many["interval"][0] < many["value"] < many["interval"][1]
    assert np.diff(many["interval"]) < 0.6 * np.diff(few["interval"])


def test_one_foreign_image_does_not_decide():
    rng = np.random.default_rng(0)
    ordinary = rng.integers(60, 200, (40, 35, 55, 1), np.uint8)
    foreign = np.full((1, 35, 55, 1), 255, np.uint8)
    assert np.abs(features(foreign)).max() == LARGEST
    clean = kid(features(ordinary[:20]), features(ordinary[20:]), 2)["value"]
    mixed = kid(features(ordinary[:20]), features(np.concatenate([ordinary[21:], foreign])), 2)
    assert abs(mixed["value"] - clean) < 5
