import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simgan_jax.data.depth import BACKGROUND, decode_depth, encode_depth, measured_depth


def test_window_ends_and_centre_have_the_documented_grey_levels():
    depth = np.array([650.0, 800.0, 950.0, 600.0, 1500.0])
    assert encode_depth(depth, 800.0).tolist() == [0, 32768, 65535, 0, 65535]


def test_pixels_without_a_reading_are_background():
    depth = np.array([0.0, -3.0, np.inf, np.nan])
    assert (encode_depth(depth, 100.0) == BACKGROUND).all()


def test_a_centre_for_each_image_broadcasts():
    depth = np.full((2, 3, 4), 800.0)
    image = encode_depth(depth, np.array([650.0, 950.0])[:, None, None])
    assert image.dtype == np.uint16
    assert (image[0] == 65535).all()
    assert (image[1] == 0).all()


@given(st.floats(200, 2000), st.floats(-1, 1), st.floats(10, 500))
def test_decoding_returns_the_depth_within_half_a_level(centre, offset, half_range):
    depth = np.array([centre + offset * half_range])
    if depth[0] <= 0:
        return
    back = decode_depth(encode_depth(depth, centre, half_range), centre, half_range)
    assert abs(back[0] - depth[0]) <= half_range / 65535 + 1e-3


def test_measured_depth_has_no_background():
    depth = np.array([[[700.0, np.inf], [650.0, 2000.0]]])
    images = encode_depth(depth, np.array([720.0])[:, None, None])[..., None]
    measured = measured_depth(images, np.array([720.0]))
    np.testing.assert_array_equal(np.isnan(measured), [[[False, True], [False, True]]])
    np.testing.assert_allclose(measured[0, :, 0], [700, 650], atol=0.01)
