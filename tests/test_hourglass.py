"""The stacked hourglass and its heat maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.models import hourglass
from simgan_jax.models.hourglass import Hourglass, heatmap_loss

# One program each, instead of one of every operation.
heatmaps = jax.jit(hourglass.heatmaps, static_argnums=(1, 2))
decode = jax.jit(hourglass.decode, static_argnums=1)
TINY = Hourglass(joints=2, features=16, stacks=2, depth=1, downsample=4)
IMAGES = np.random.default_rng(1).uniform(-1, 1, (2, 24, 24, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def params():
    """Random parameters, drawn by NumPy: nothing to compile."""
    shapes = jax.eval_shape(TINY.init, jax.random.key(0), IMAGES)
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: rng.normal(0.1, 0.2, x.shape).astype(np.float32), shapes)


@jax.jit
def gradients_and_outputs(params, images):
    targets = heatmaps(jnp.array([[[3.0, 4], [20, 11]], [[8, 8], [15, 2]]]), (6, 6), (24, 24))

    def loss(params):
        outputs = TINY.apply(params, images)
        return heatmap_loss(outputs, targets).mean(), outputs

    return jax.grad(loss, has_aux=True)(params)


@jax.jit
def loss_and_gradient(outputs, targets):
    return jax.value_and_grad(lambda x: heatmap_loss(x, targets).sum())(outputs)


def shape_of(model, side):
    images = jax.ShapeDtypeStruct((3, side, side, 1), jnp.float32)
    return jax.eval_shape(lambda x: model.init_with_output(jax.random.key(0), x)[0], images).shape


@pytest.mark.parametrize(
    "settings, side, maps",
    [
        ({}, 256, 64),
        ({"resize": 256}, 224, 64),
        ({}, 224, 56),
        ({"downsample": 2, "depth": 3}, 56, 28),
        ({"downsample": 1, "depth": 2}, 33, 33),
    ],
)
def test_every_stack_gives_a_map_per_joint(settings, side, maps):
    model = Hourglass(features=32, **settings)
    assert shape_of(model, side) == (2, 3, maps, maps, 14)


def test_an_unknown_downsampling_is_named():
    with pytest.raises(ValueError, match="downsample is 3"):
        shape_of(Hourglass(downsample=3), 56)


def test_parameters_of_a_small_network_are_as_many_as_by_hand():
    # Stem 7*7*4 + 4 = 200; residuals 4 -> 8: 272, 8 -> 16: 992, 16 -> 16: 928 each, four in an
    # hourglass of depth 1 and one after; linear 272 and its norm 32; maps 34.
    model = Hourglass(joints=2, features=16, stacks=1, depth=1, downsample=1)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    count = sum(x.size for x in jax.tree.leaves(shapes))
    assert count == 200 + 272 + 992 + 5 * 928 + 272 + 32 + 34


def test_an_image_does_not_see_the_rest_of_its_batch(params):
    changed = IMAGES.copy()
    changed[1] = 0.5
    _, outputs = gradients_and_outputs(params, IMAGES)
    _, others = gradients_and_outputs(params, changed)
    np.testing.assert_allclose(outputs[:, 0], others[:, 0], atol=1e-5)
    assert np.abs(outputs[:, 1] - others[:, 1]).max() > 1e-3


def test_every_parameter_learns(params):
    gradients, _ = gradients_and_outputs(params, IMAGES)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(gradient).all(), path
        if jax.tree_util.keystr(path).endswith("['maps_1']['bias']"):
            # A constant added to a map is nothing to a softmax.
            np.testing.assert_allclose(gradient, 0, atol=1e-6)
        else:
            assert np.abs(gradient).max() > 0, path


def test_a_heat_map_is_a_gaussian_at_the_joint():
    maps = heatmaps(jnp.array([[2.0, 1.0], [-9.0, 0.0]]), (4, 5))
    assert maps.shape == (4, 5, 2)
    assert maps[1, 2, 0] == 1
    assert maps[1, 3, 0] == pytest.approx(np.exp(-0.5))
    assert maps[3, 4, 0] == pytest.approx(np.exp(-4))
    assert maps[..., 1].max() < 1e-10


def test_map_pixels_cover_the_image_pixels_edge_to_edge():
    # The centre of an 8 x 8 image, (3.5, 3.5), is the centre of a 2 x 2 map, (0.5, 0.5).
    maps = heatmaps(jnp.array([[3.5, 3.5]]), (2, 2), (8, 8))
    np.testing.assert_allclose(maps, np.exp(-0.25), rtol=1e-6)


@pytest.mark.parametrize("side", [14, 28, 56])
def test_decoding_finds_joints_within_a_tenth_of_a_pixel(side):
    joints = np.random.default_rng(0).uniform(4, 51, (20, 14, 2)).astype(np.float32)
    drawn = heatmaps(jnp.asarray(joints), (side, side), (56, 56))
    found = decode(jnp.log(jnp.maximum(drawn, 1e-9)), (56, 56))
    np.testing.assert_allclose(found, joints, atol=0.1)


def test_decoding_stays_within_a_pixel_of_a_peak_without_shape():
    maps = jnp.zeros((1, 5, 7, 1)).at[0, 4, 6, 0].set(3.0)  # in the corner
    assert np.abs(decode(maps) - jnp.array([6.0, 4.0])).max() <= 1
    assert np.isfinite(decode(jnp.zeros((1, 5, 7, 1)))).all()


def test_decoding_ignores_scale_and_offset_of_probability():
    maps = jnp.log(heatmaps(jnp.array([[[5.3, 3.8]]]), (9, 11)))
    np.testing.assert_allclose(decode(maps + 7), decode(maps), atol=1e-4)


def test_loss_of_a_network_that_knows_nothing_is_the_logarithm_of_the_pixels():
    targets = heatmaps(jnp.array([[[3.0, 4.0]], [[1.0, 2.0]]]), (8, 8))
    loss = heatmap_loss(jnp.zeros((3, 2, 8, 8, 1)), targets)
    np.testing.assert_allclose(loss, [np.log(64)] * 2, rtol=1e-6)


def test_loss_is_least_at_the_target_and_there_the_entropy_of_a_gaussian():
    targets = heatmaps(jnp.array([[[7.6, 8.2]]]), (16, 16))
    outputs = jnp.log(targets)[None]
    loss, gradient = loss_and_gradient(outputs, targets)
    assert loss == pytest.approx(np.log(2 * np.pi * np.e), abs=1e-3)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_a_joint_far_outside_the_image_does_not_count():
    targets = heatmaps(jnp.array([[[-99.0, 4.0]]]), (8, 8))
    outputs = jax.random.normal(jax.random.key(0), (1, 1, 8, 8, 1))
    loss, gradient = loss_and_gradient(outputs, targets)
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)
