import flax.linen as nn
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


class Brightness(nn.Module):
    """Reads gain * (mean brightness, 1)."""

    @nn.compact
    def __call__(self, images):
        gain = self.param("gain", nn.initializers.ones, ())
        return gain * jnp.stack([images.mean((1, 2, 3)), jnp.ones(len(images))], -1)


def test_every_estimator_reads_every_image():
    reading = psi.Reading(Brightness(), psi.point, count=2)
    images = jnp.array([0.5, -0.25]).reshape(2, 1, 1, 1) * jnp.ones((2, 3, 4, 1))
    found = reading({"gain": jnp.array([1.0, 2.0])}, images)
    assert found.tolist() == [[[0.5, 1], [1, 2]], [[-0.25, 1], [-0.5, 2]]]


def test_a_direction_has_length_one():
    found = psi.direction(jnp.array([[0.0, 3.0, -4.0]]))
    np.testing.assert_allclose(found, [[0, 0.6, -0.8]], rtol=1e-6)


def test_joints_are_the_mean_places_of_their_heat_maps():
    # Two joints on 2 x 3 pixels: one in the upper right corner, one half and half in the lower ones.
    maps = np.full((1, 1, 2, 3, 2), -50.0, np.float32)
    maps[0, 0, 0, 2, 0] = maps[0, 0, 1, 0, 1] = maps[0, 0, 1, 2, 1] = 50
    np.testing.assert_allclose(psi.joints(jnp.asarray(maps)), [[1, -1, 0, 1]], atol=1e-6)
