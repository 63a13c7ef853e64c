from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.models import Discriminator, Refiner
from simgan_jax.models.discriminator import EYES, HANDS, WIDE, spectral_normalize
from simgan_jax.models.pooling import max_pool
from simgan_jax.ranges import from_unit, to_unit

EYE = jnp.zeros((1, 35, 55, 1))


def count(module, images):
    return sum(
        x.size for x in jax.tree.leaves(jax.eval_shape(module.init, jax.random.key(0), images))
    )


def test_parameter_counts_of_the_papers_networks():
    assert count(Refiner(), EYE) == 296_129
    assert count(Discriminator(), EYE) == 75_906


def test_patches_of_the_papers_discriminators():
    def patches(module, images):
        return jax.eval_shape(module.init_with_output, jax.random.key(0), images)[0].shape

    assert patches(Discriminator(), EYE) == (1, 9, 14, 2)
    assert patches(Discriminator(HANDS), jnp.zeros((1, 224, 224, 1))) == (1, 7, 7, 2)
    assert patches(Discriminator(WIDE), EYE) == (1, 3, 4, 2)
    assert Discriminator(WIDE).receptive_field == 63


def reach(module, side, place, seeds):
    """Side of the square of input pixels that an output depends on, over several inputs.

    Positive weights keep every ReLU alive; a max-pooling passes on one pixel of its window only, hence
    the several inputs.
    """
    images = jax.random.uniform(jax.random.key(1), (seeds, side, side, 1))
    params = jax.tree.map(
        lambda x: jnp.full(x.shape, 0.1), jax.eval_shape(module.init, jax.random.key(0), images)
    )
    gradient = jax.jit(jax.grad(lambda x: module.apply(params, x)[:, place, place, 0].sum()))(
        images
    )
    seen = np.flatnonzero(np.abs(np.asarray(gradient)).sum((0, 2, 3)))
    assert len(seen) == seen[-1] - seen[0] + 1
    return len(seen)


@pytest.mark.parametrize("kernel, blocks, side", [(3, 4, 19), (7, 1, 19), (5, 2, 21), (3, 0, 3)])
def test_receptive_field_of_the_refiner_is_what_it_says(kernel, blocks, side):
    module = Refiner(features=1, blocks=blocks, kernel=kernel)
    assert module.receptive_field == side
    assert reach(module, 31, 15, 1) == side


@pytest.mark.parametrize("layers, image, place, side", [(EYES, 48, 6, 23), (HANDS, 192, 3, 71)])
def test_receptive_field_of_the_discriminator_is_what_it_says(layers, image, place, side):
    module = Discriminator(
        tuple(layer._replace(features=min(layer.features, 1)) for layer in layers)
    )
    assert module.receptive_field == Discriminator(layers).receptive_field == side
    assert reach(module, image, place, 24) == side


def test_a_colour_refiner_of_any_size_has_the_parameters_worked_out_by_hand():
    module = Refiner(features=5, blocks=2, kernel=7, channels=3, noise_channels=2)
    images, noise = jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 8, 2))
    shapes = jax.eval_shape(module.init, jax.random.key(0), images, noise)
    stem, blocks, head = 49 * 5 * 5 + 5, 2 * 2 * (49 * 5 * 5 + 5), 5 * 3 + 3
    assert sum(x.size for x in jax.tree.leaves(shapes)) == stem + blocks + head


def test_refiner_starts_inside_the_range_and_keeps_any_shape():
    module = Refiner(features=4, blocks=1, channels=3)
    images = jax.random.uniform(jax.random.key(1), (2, 9, 14, 3), minval=-1)
    refined, _ = module.init_with_output(jax.random.key(0), images)
    assert refined.shape == images.shape
    assert jnp.abs(refined).max() < 1


def test_a_residual_refiner_starts_as_the_identity_and_stays_in_range():
    module = Refiner(features=4, blocks=1, residual=True)
    images = jax.random.uniform(jax.random.key(1), (2, 9, 14, 1), minval=-1)
    refined, params = module.init_with_output(jax.random.key(0), images)
    np.testing.assert_array_equal(refined, images)
    far = jax.tree.map(lambda x: x + 3, params)
    assert float(module.apply(far, images).max()) == 1


def test_reflect_padding_leaves_no_frame_in_a_flat_image():
    flat = jnp.full((1, 12, 12, 1), 0.5)
    for padding, spread in (("REFLECT", 0), ("SAME", 1e-3)):
        module = Refiner(features=4, blocks=1, padding=padding)
        refined, _ = module.init_with_output(jax.random.key(0), flat)
        assert (jnp.ptp(refined) > 1e-6) == bool(spread)


def test_noise_changes_the_output_and_background_passes_unchanged():
    module = Refiner(features=4, blocks=1, noise_channels=2, background=1.0)
    images = jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1) * jnp.ones((1, 2, 2, 1))
    noises = [module.sample_noise(jax.random.key(seed), images) for seed in (1, 2)]
    params = module.init(jax.random.key(0), images, noises[0])
    first, second = (module.apply(params, images, noise) for noise in noises)
    assert noises[0].shape == (1, 2, 2, 2)
    assert jnp.abs(first - second)[0, :, 0].min() > 0
    assert first[0, :, 1].ravel().tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_background_of_stored_images_passes_through_compiled_code(dtype):
    module = Refiner(features=4, blocks=1, background=1.0)
    top = np.iinfo(dtype).max
    stored = jnp.array([top, top - 1, 0, top], dtype).reshape(1, 2, 2, 1)
    params = module.init(jax.random.key(0), to_unit(stored))
    refined = jax.jit(lambda p, x: from_unit(module.apply(p, to_unit(x)), x.dtype))(params, stored)
    kept = np.asarray(refined == stored).ravel().tolist()
    assert kept == [True, False, False, True]


def test_background_passes_no_gradient_to_the_parameters():
    module = Refiner(features=4, blocks=1, background=1.0)
    images = jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1)
    params = jax.jit(module.init)(jax.random.key(0), images)
    by_pixel = jax.jit(jax.jacrev(lambda p: module.apply(p, images)[0, 0, :, 0]))(params)
    head = by_pixel["params"]["head"]["bias"]
    assert head[0, 0] != 0
    assert head[1, 0] == 0


@pytest.mark.parametrize(
    "kind", [partial(Refiner, features=8, blocks=1), partial(Discriminator, EYES[:1])]
)
def test_bfloat16_computes_near_float32_with_float32_parameters_and_output(kind):
    images = jax.random.uniform(jax.random.key(1), (1, 24, 24, 1), minval=-1)
    params = jax.jit(kind(dtype=jnp.bfloat16).init)(jax.random.key(0), images)
    assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    exact = kind().apply(params, images)
    rough = kind(dtype=jnp.bfloat16).apply(params, images)
    assert rough.dtype == jnp.float32
    assert 0 < jnp.abs(exact - rough).max() < 0.03


def test_remat_changes_no_gradient():
    images = jax.random.uniform(jax.random.key(1), (1, 8, 8, 1), minval=-1)
    modules = [Refiner(features=4, blocks=2, remat=remat) for remat in (False, True)]
    params = jax.jit(modules[0].init)(jax.random.key(0), images)
    plain, saving = (
        jax.jit(jax.grad(lambda p, m=m: jnp.square(m.apply(p, images)).sum()))(params)
        for m in modules
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), plain, saving)


def test_spectral_norm_of_a_normalized_kernel_is_one():
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 2, 5))
    normalized = spectral_normalize({"kernel": kernel, "bias": jnp.full(5, 7.0)}, iterations=50)
    largest = np.linalg.svd(np.asarray(normalized["kernel"]).reshape(-1, 5), compute_uv=False)[0]
    assert largest == pytest.approx(1, rel=1e-3)
    assert normalized["bias"].tolist() == [7] * 5


# The estimator's (3, 2 and 2, 2), the discriminators' of eyes and hands, the hourglass's.
@pytest.mark.parametrize(
    ("window", "stride", "padding"),
    [(3, 2, "VALID"), (2, 2, "VALID"), (3, 1, "SAME"), (3, 2, "SAME"), (2, 2, "SAME")],
)
@pytest.mark.parametrize("sides", [(8, 8), (9, 13), (7, 12)])
def test_max_pool_and_its_gradient_are_those_of_the_library(window, stride, padding, sides):
    x = jax.random.normal(jax.random.key(0), (2, *sides, 3))

    def weighted(pool, x):
        y = pool(x)
        return jnp.sum(y * jnp.arange(y.size).reshape(y.shape))

    size, strides = (window, window), (stride, stride)
    ours = partial(weighted, lambda x: max_pool(x, window, stride, padding))
    theirs = partial(weighted, lambda x: nn.max_pool(x, size, strides, padding))
    np.testing.assert_array_equal(ours(x), theirs(x))
    # Windows overlap: sums of the same terms in another order.
    gradients = (jax.jit(jax.grad(pooled))(x) for pooled in (ours, theirs))
    np.testing.assert_allclose(*gradients, rtol=1e-6)


def test_equal_values_of_a_window_share_its_gradient():
    gradient = jax.grad(lambda x: max_pool(x, 2, 2).sum())(jnp.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(gradient, jnp.full((1, 2, 2, 1), 0.25))
