import numpy as np
import pytest

from simgan_jax import ranges


def test_to_unit_maps_the_full_range_to_minus_one_and_one():
    np.testing.assert_allclose(ranges.to_unit(np.uint8([0, 51, 255])), [-1, -0.6, 1], atol=1e-6)
    np.testing.assert_allclose(ranges.to_unit(np.uint16([0, 65535])), [-1, 1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_from_unit_inverts_to_unit_for_every_value(dtype):
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    np.testing.assert_array_equal(ranges.from_unit(ranges.to_unit(values), dtype), values)


def test_from_unit_clips_and_rounds():
    np.testing.assert_array_equal(
        ranges.from_unit(np.float32([-3, 0.001, 7]), np.uint8), [0, 128, 255]
    )
