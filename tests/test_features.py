import jax.numpy as jnp
import numpy as np

from simgan_jax import psi

IMAGE = jnp.array([[1.0, 2.0, 4.0], [0.0, 0.0, 7.0]])[None, :, :, None]


def test_derivatives_are_forward_differences_and_zero_at_the_far_edge():
    dx, dy = np.moveaxis(np.asarray(psi.derivatives(IMAGE)), -1, 0)
    assert dx.tolist() == [[[1, 2, 0], [0, 7, 0]]]
    assert dy.tolist() == [[[-1, -2, 3], [0, 0, 0]]]


def test_derivatives_ignore_a_constant():
    np.testing.assert_allclose(psi.derivatives(IMAGE), psi.derivatives(IMAGE + 3))


def test_channel_mean_ignores_colour():
    colour = jnp.array([[[[0.0, 0.5, 1.0]]]])
    assert psi.channel_mean(colour).tolist() == [[[[0.5]]]]


def test_identity_is_the_image():
    assert psi.PSI["identity"](IMAGE) is IMAGE
