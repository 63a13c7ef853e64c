"""Which images choose and which are measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.evaluation import image_split


def numbered(count):
    """Images that are told apart by a label."""
    return Arrays(np.zeros((count, 2, 2, 1), np.uint8), {"number": np.arange(count)})


def marked(count):
    """Images that are told apart by their pixels."""
    return Arrays(np.arange(count, dtype=np.uint16).reshape(-1, 1, 1, 1))


def report_part(count, probe):
    return image_split.to_report(numbered(count), numbered(8), probe)[1].labels["number"]


def choice_part(count):
    return image_split.to_choose(numbered(count), numbered(8))[0].labels["number"]


def test_parts_of_sixteen_synthetic_images():
    trained, measured, _ = image_split.to_report(numbered(16), numbered(8), probe=3)
    assert trained.labels["number"].tolist() == list(range(13))
    assert measured.labels["number"].tolist() == [13, 14, 15]
    assert choice_part(16).tolist() == list(range(12))
    assert report_part(16, probe=100).tolist() == [12, 13, 14, 15]


@given(
    st.integers(image_split.LEAST_SYNTHETIC, 3000),
    st.integers(0, 3000),
    st.integers(1, 2000),
    st.integers(image_split.LEAST_REAL, 50),
)
def test_no_image_chooses_and_is_measured_also_where_a_later_report_asks_for_more(
    count, more, probe, real
):
    measured = report_part(count + more, probe)
    assert not set(choice_part(count)) & set(measured)
    assert len(measured) >= min(probe, 4)
    compared = image_split.to_report(numbered(16), marked(real), 4)[2]
    chosen_by = image_split.to_choose(numbered(16), marked(real))[1]
    assert not set(compared.ravel()) & set(chosen_by.ravel())
    assert min(len(compared), len(chosen_by)) >= 4


def test_both_parts_of_the_real_images_come_from_all_over_them():
    real = marked(90)
    assert np.ptp(image_split.to_report(numbered(16), real, 4)[2]) == 88
    assert np.ptp(image_split.to_choose(numbered(16), real)[1]) == 88


@pytest.mark.parametrize("count", [*range(6), image_split.LEAST_SYNTHETIC - 1])
def test_too_few_synthetic_images_are_one_clear_line(count):
    with pytest.raises(UserError, match=rf"data.synthetic: {count} images?; .* needs 16 at least"):
        image_split.require_enough(numbered(count), numbered(100))


@pytest.mark.parametrize("count", [*range(6), image_split.LEAST_REAL - 1])
def test_too_few_real_images_are_one_clear_line(count):
    with pytest.raises(UserError, match=rf"data.real: {count} images?; .* needs 8 at least"):
        image_split.require_enough(numbered(100), numbered(count))


def test_spread_takes_images_at_equal_distances_or_all():
    assert image_split.spread(numbered(90), 4).labels["number"].tolist() == [0, 29, 59, 89]
    assert len(image_split.spread(numbered(90), 100)) == 90
