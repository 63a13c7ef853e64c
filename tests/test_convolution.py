from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from experiments.convolutions import refiner as tried
from experiments.convolutions.__main__ import by_rows
from simgan_jax.models.convolution import Conv, convolve

# (images, height, width), kernel sides, strides, padding
CASES = [
    ((2, 7, 9), (3, 3), (1, 1), "SAME"),
    ((2, 7, 9), (3, 3), (2, 2), "SAME"),
    ((2, 8, 10), (3, 3), (2, 2), "SAME"),
    ((3, 6, 5), (1, 1), (1, 1), "VALID"),
    ((2, 9, 8), (3, 3), (2, 2), "VALID"),
    ((1, 13, 12), (7, 7), (4, 4), "SAME"),
    ((2, 9, 11), (5, 5), (2, 2), "SAME"),
    ((2, 8, 9), (2, 4), (1, 3), "SAME"),
    ((2, 5, 6), (3, 3), (3, 3), ((0, 2), (1, 0))),
    # So many pixels that the kernel's gradient is summed in parts.
    ((6, 40, 40), (3, 3), (1, 1), "SAME"),
]


def plain(images, kernel, strides, padding):
    return lax.conv_general_dilated(
        images, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def example(shape, sides, dtype=jnp.float32):
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(*shape, 3)), dtype)
    kernel = jnp.asarray(rng.normal(size=(*sides, 3, 4)), dtype)
    return images, kernel


def gradients(function, images, kernel, strides, padding):
    """By images and by kernel, of a sum that weighs every output differently."""

    def total(images, kernel):
        out = function(images, kernel, strides, padding).astype(jnp.float32)
        return (out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)).sum()

    return jax.jit(jax.grad(total, argnums=(0, 1)))(images, kernel)


@pytest.mark.parametrize("by_padding", [True, False])
@pytest.mark.parametrize("shape, sides", [((2, 9, 11), (3, 3)), ((1, 8, 7), (2, 4))])
def test_without_padding_too(shape, sides, by_padding):
    def ours(*inputs):
        return convolve(*inputs, by_padding=by_padding)

    images, kernel = example(shape, sides)
    inputs = images, kernel, (1, 1), "VALID"
    np.testing.assert_allclose(ours(*inputs), plain(*inputs), rtol=1e-5, atol=1e-5)
    for one, other in zip(gradients(ours, *inputs), gradients(plain, *inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape, sides, strides, padding", CASES)
def test_values_and_gradients_are_xlas_own(shape, sides, strides, padding):
    images, kernel = example(shape, sides)
    np.testing.assert_allclose(
        convolve(images, kernel, strides, padding),
        plain(images, kernel, strides, padding),
        rtol=1e-5,
        atol=1e-5,
    )
    ours = gradients(convolve, images, kernel, strides, padding)
    theirs = gradients(plain, images, kernel, strides, padding)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4)


def test_gradients_in_bfloat16_are_near_float32():
    shape, sides, strides, padding = (4, 40, 40), (3, 3), (1, 1), "SAME"
    rough = gradients(convolve, *example(shape, sides, jnp.bfloat16), strides, padding)
    exact = gradients(plain, *example(shape, sides), strides, padding)
    for a, b in zip(rough, exact, strict=True):
        assert a.dtype == jnp.bfloat16
        error = np.asarray(a, np.float32) - np.asarray(b)
        assert np.linalg.norm(error) < 0.02 * np.linalg.norm(b)


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_second_derivatives_are_xlas_own(strides):
    images, kernel = example((2, 6, 7), (3, 3))

    def penalty(function, kernel):
        """Squared norm of the gradient by the images, as in R1."""
        total = lambda x: jnp.tanh(function(x, kernel, strides, "SAME")).sum()  # noqa: E731
        return jnp.square(jax.grad(total)(images)).sum()

    ours, theirs = (
        jax.jit(jax.grad(partial(penalty, function)))(kernel) for function in (convolve, plain)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_mapped_and_looped_gradients_are_the_same():
    images, kernel = example((3, 6, 7), (3, 3))
    one = jax.grad(lambda k, x: jnp.sin(convolve(x[None], k, (2, 2), "SAME")).sum())
    mapped = jax.jit(jax.vmap(one, (None, 0)))(kernel, images)
    looped = jax.jit(lambda: lax.map(partial(one, kernel), images))()
    np.testing.assert_allclose(mapped, looped, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["SAME", "REFLECT"])
def test_the_layer_has_the_parameters_and_values_of_flax(padding):
    images, _ = example((2, 6, 7), (3, 3))
    ours, theirs = (layer(5, (3, 3), padding=padding) for layer in (Conv, nn.Conv))
    params = theirs.init(jax.random.key(0), images)
    shapes = jax.eval_shape(ours.init, jax.random.key(0), images)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(lambda x: x.shape, shapes)
    np.testing.assert_allclose(
        ours.apply(params, images), theirs.apply(params, images), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "option",
    [{"rhs_dilation": (2, 2)}, {"feature_group_count": 3}, {"precision": lax.Precision.HIGHEST}],
)
def test_what_it_does_not_do_is_an_error(option):
    with pytest.raises(NotImplementedError, match="dilated or grouped"):
        convolve(*example((2, 6, 7), (3, 3)), (1, 1), "SAME", **option)


def test_what_was_tried_in_place_of_the_refiners_convolutions_computes_the_same():
    images, kernel = example((2, 10, 13), (3, 3))
    gradient = jnp.asarray(np.random.default_rng(1).normal(size=(2, 8, 11, 4)), jnp.float32)
    ours = plain(images, kernel, (1, 1), "VALID")
    of_kernel = jax.vjp(lambda k: plain(images, k, (1, 1), "VALID"), kernel)[1](gradient)[0]
    near = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    near(by_rows(images, kernel), ours)
    near(tried.winograd(images, kernel), ours)
    near(tried.rows_of_kernel(images, gradient), of_kernel)
    near(tried.winograd_of_kernel(images, gradient), of_kernel)
