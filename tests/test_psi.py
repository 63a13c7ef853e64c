import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax import psi
from simgan_jax.models.gaze_estimator import GazeEstimator
from simgan_jax.models.hourglass import Hourglass

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


class Doubled(nn.Module):
    """Its hidden layer is the image itself, its output twice the mean."""

    @nn.compact
    def __call__(self, images):
        self.sow("intermediates", "hidden", images)
        gain = self.param("gain", nn.initializers.ones, ())
        return 2 * gain * images.mean((1, 2, 3))[:, None]


def test_features_are_the_hidden_layer_as_a_direction():
    reading = psi.Reading(Doubled(), psi.point, count=1, features=True)
    images = jnp.array([3.0, 0.0, 0.0, 4.0]).reshape(1, 2, 2, 1)
    found = reading({"gain": jnp.array([1.0])}, images)
    np.testing.assert_allclose(found, [[np.sqrt(4 / 3) * np.array([0.6, 0, 0, 0.8])]], rtol=1e-6)


def test_a_turned_hidden_layer_counts_like_a_turned_gaze():
    rng = np.random.default_rng(0)
    changes = []
    for size in (3, 300):
        before = rng.standard_normal((20000 // size, size))
        before /= np.linalg.norm(before, axis=1, keepdims=True)
        across = rng.standard_normal(before.shape)
        across -= (across * before).sum(1, keepdims=True) * before
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        after = 7 * (np.cos(0.1) * before + np.sin(0.1) * across)
        changes.append(np.abs(psi.features(jnp.asarray(after)) - before * np.sqrt(size / 3)).mean())
    # Half of 0.1 in three numbers; a little less in many, which are distributed otherwise.
    assert changes == pytest.approx([0.05, 0.046], abs=0.002)


def test_a_hidden_layer_of_nothing_has_a_gradient():
    assert np.isfinite(jax.grad(lambda x: psi.features(x).sum())(jnp.zeros((1, 3)))).all()


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (GazeEstimator(3, 0.02), 20),
        (Hourglass(joints=2, features=16, depth=1, stacks=2), 5 * 5 * 16),
    ],
)
def test_the_networks_keep_their_last_hidden_layer(network, size):
    images = jnp.ones((1, 20, 20, 1))
    params = jax.eval_shape(network.init, jax.random.key(0), images)
    assert set(params) == {"params"}
    reading = psi.Reading(network, psi.point, count=2, features=True)
    stacked = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2, *x.shape), x.dtype), params["params"])
    assert jax.eval_shape(reading, stacked, images).shape == (1, 2, size)


def test_a_direction_has_length_one():
    found = psi.direction(jnp.array([[0.0, 3.0, -4.0]]))
    np.testing.assert_allclose(found, [[0, 0.6, -0.8]], rtol=1e-6)


def test_joints_are_the_mean_places_of_their_heat_maps():
    # Two joints on 2 x 3 pixels: one in the upper right corner, one half and half in the lower ones.
    maps = np.full((1, 1, 2, 3, 2), -50.0, np.float32)
    maps[0, 0, 0, 2, 0] = maps[0, 0, 1, 0, 1] = maps[0, 0, 1, 2, 1] = 50
    np.testing.assert_allclose(psi.joints(jnp.asarray(maps)), [[1, -1, 0, 1]], atol=1e-6)


class Itself(nn.Module):
    """Features as they are."""

    @nn.compact
    def __call__(self, maps):
        factor = self.param("factor", nn.initializers.ones, ())
        return [factor * features for features in maps]


def test_contrast_asks_whether_places_are_told_apart():
    contrast = psi.Contrast(Itself(), places=4, temperature=1.0)
    # Four places, each of its own kind.
    maps = [jnp.eye(4).reshape(1, 2, 2, 4)]
    params = contrast.init(jax.random.key(0), maps)

    def loss(after):
        return contrast(params, maps, [after], jax.random.key(1))[0]

    told_apart = np.log(np.e + 3) - 1
    assert loss(maps[0]) == pytest.approx(told_apart, rel=1e-6)
    # Brighter alike everywhere: as well told apart. All alike: not at all.
    assert loss(maps[0] + 1) == pytest.approx(told_apart, rel=1e-6)
    assert loss(jnp.ones_like(maps[0])) == pytest.approx(np.log(4), rel=1e-6)
    assert loss(maps[0][:, ::-1]) == pytest.approx(told_apart + 1, rel=1e-6)


def test_contrast_is_a_mean_over_maps_and_looks_at_other_places_in_every_update():
    contrast = psi.Contrast(Itself(), places=5, temperature=1.0)
    small, large = jnp.eye(4).reshape(1, 2, 2, 4), jnp.ones((1, 30, 30, 4))
    both = contrast({"factor": 1.0}, [small, large], [small, large], jax.random.key(1))
    assert both[0] == pytest.approx((np.log(np.e + 3) - 1 + np.log(5)) / 2, rel=1e-6)
    chosen = [contrast.choose(jax.random.key(seed), [small, large]) for seed in (0, 1)]
    assert sorted(chosen[0][0].tolist()) == [0, 1, 2, 3]
    assert len(set(chosen[0][1].tolist())) == 5
    assert set(chosen[0][1].tolist()) != set(chosen[1][1].tolist())


def test_contrast_moves_what_is_refined_and_no_key():
    contrast = psi.Contrast(Itself(), places=4, temperature=1.0)
    maps = jnp.eye(4).reshape(1, 2, 2, 4)

    def loss(before, after):
        return contrast({"factor": 1.0}, [before], [after], jax.random.key(1)).sum()

    of_keys, of_queries = jax.grad(loss, argnums=(0, 1))(maps, 2 * maps)
    assert not of_keys.any()
    assert (of_queries.reshape(4, 4).diagonal() < 0).all(), "each is drawn to its own"
