import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax import losses
from simgan_jax.losses import REAL, REFINED

# One image, two patches: margins (refined - real) of 2 and -1.
LOGITS = jnp.array([[[[0.0, 2.0], [0.5, -0.5]]]])


def test_cross_entropy_is_the_mean_over_patches():
    softplus = np.log1p(np.exp([-2.0, 1.0]))
    np.testing.assert_allclose(losses.cross_entropy(LOGITS, REFINED), [softplus.mean()], rtol=1e-6)
    np.testing.assert_allclose(
        losses.cross_entropy(LOGITS, REAL), [(softplus + np.array([2.0, -1.0])).mean()], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "undecided"),
    [("cross_entropy", (0.693147, 0.693147)), ("least_squares", (1, 1)), ("hinge", (1, 0))],
)
def test_equal_logits_have_the_losses_of_an_undecided_discriminator(name, undecided):
    pair = losses.ADVERSARIAL[name]
    assert pair.undecided == pytest.approx(undecided, abs=1e-6)
    equal = jnp.full((1, 3, 4, 2), 0.7)
    for label in (REAL, REFINED):
        np.testing.assert_allclose(pair.discriminator(equal, label), undecided[:1], rtol=1e-5)
    np.testing.assert_allclose(pair.refiner(equal, REAL), undecided[1:], rtol=1e-5)


def test_lambda_multiplies_the_self_regularization_in_the_refiners_loss():
    loss = losses.refiner_loss(jnp.array([1.0, 2.0]), jnp.array([0.5, 0.25]), lambda_=4.0)
    assert loss.tolist() == [3.0, 3.0]


def test_gradient_of_the_cross_entropy_is_probability_minus_label():
    gradient = jax.grad(lambda x: losses.cross_entropy(x, REFINED).sum())(LOGITS)
    p = 1 / (1 + np.exp([-2.0, 1.0]))
    expected = np.stack([1 - p, p - 1], -1)[None, None] / 2
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_extreme_logits_stay_finite():
    extreme = jnp.array([[[[-1e4, 1e4]]]])
    assert losses.cross_entropy(extreme, REAL) == 2e4
    assert np.isfinite(jax.grad(lambda x: losses.cross_entropy(x, REAL).sum())(extreme)).all()


@pytest.mark.parametrize(
    ("loss", "label", "value"),
    [
        (losses.least_squares, REFINED, ((2 - 1) ** 2 + (-1 - 1) ** 2) / 2),
        (losses.least_squares, REAL, ((2 + 1) ** 2 + (-1 + 1) ** 2) / 2),
        (losses.hinge, REFINED, (0 + 2) / 2),
        (losses.hinge, REAL, (3 + 0) / 2),
        (losses.hinge_refiner, REAL, (2 - 1) / 2),
    ],
)
def test_other_adversarial_losses_by_hand(loss, label, value):
    np.testing.assert_allclose(loss(LOGITS, label), [value])


def test_accuracy_counts_patches():
    assert losses.accuracy(LOGITS, REFINED) == 0.5
    assert losses.accuracy(LOGITS, REAL) == 0.5
    assert losses.accuracy(jnp.zeros((1, 2, 2, 2)), REAL) == 1


def test_pooled_logits_are_the_mean_over_patches():
    np.testing.assert_allclose(losses.pool_patches(LOGITS), [[[[0.25, 0.75]]]])


def test_self_regularization_by_hand_with_and_without_weights():
    a = jnp.array([0.0, 1.0, -1.0, 0.5]).reshape(1, 2, 2, 1)
    b = jnp.array([0.0, 0.5, 1.0, 0.5]).reshape(1, 2, 2, 1)
    weight = jnp.array([9.0, 2.0, 0.0, 9.0]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(losses.self_regularization(a, b), [2.5 / 4])
    np.testing.assert_allclose(losses.self_regularization(a, b, weight), [1.0 / 4])


def test_r1_penalty_of_a_linear_discriminator_is_its_squared_weight():
    slope = jnp.array([[3.0, 0.0], [0.0, 4.0]])

    def apply(images):
        margin = (images[..., 0] * slope).sum((1, 2))[:, None, None]
        return jnp.stack([jnp.zeros_like(margin), margin], -1)

    np.testing.assert_allclose(losses.r1_penalty(apply, jnp.ones((2, 2, 2, 1))), [25.0, 25.0])


@pytest.mark.parametrize("up", [-5.0, 3.0])
def test_means_do_not_change_with_the_number_of_patches_or_a_shift_of_both_logits(up):
    more = jnp.tile(LOGITS, (1, 3, 2, 1)) + up
    for loss in (losses.cross_entropy, losses.least_squares, losses.hinge, losses.hinge_refiner):
        np.testing.assert_allclose(loss(more, REAL), loss(LOGITS, REAL), rtol=1e-5)


@pytest.mark.parametrize("times", [1, 4])
def test_lambda_does_not_change_with_the_size_of_the_image(times):
    a, b = jnp.array([0.2, -0.4]).reshape(1, 1, 2, 1), jnp.array([1.0, 0.0]).reshape(1, 1, 2, 1)
    large = [jnp.tile(x, (1, times, times, 1)) for x in (a, b)]
    np.testing.assert_allclose(losses.self_regularization(*large), [0.6], rtol=1e-5)


def test_gradient_of_the_self_regularization_is_the_weighted_sign_over_the_pixels():
    a = jnp.array([0.0, 1.0, -1.0, 0.5]).reshape(1, 2, 2, 1)
    b = jnp.array([0.5, 0.5, 1.0, 0.0]).reshape(1, 2, 2, 1)
    weight = jnp.array([1.0, 2.0, 0.0, 4.0]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: losses.self_regularization(x, b, weight).sum())(a)
    assert gradient.ravel().tolist() == [-0.25, 0.5, 0, 1]


def test_every_adversarial_pair_pushes_the_two_networks_apart():
    for pair in losses.ADVERSARIAL.values():
        as_refined = jax.grad(lambda x, f=pair.discriminator: f(x, REFINED).sum())(0 * LOGITS)
        as_real = jax.grad(lambda x, f=pair.refiner: f(x, REAL).sum())(0 * LOGITS)
        assert (as_refined[..., REFINED] < 0).all()
        assert (as_real[..., REFINED] > 0).all()


def test_reading_shift_is_a_mean_over_estimators_and_numbers():
    before = jnp.zeros((1, 2, 2))
    after = jnp.array([[[0.1, -0.3], [0.0, 0.4]]])
    np.testing.assert_allclose(losses.reading_shift(after, before), [0.2], rtol=1e-6)


def test_the_contrast_of_patches_by_hand():
    keys = jnp.eye(2)[None]
    # Similarities 1 and 0: -log(e / (e + 1)).
    assert losses.patch_contrast(keys, keys, 1.0)[0] == pytest.approx(0.313262, abs=1e-5)
    assert losses.patch_contrast(keys[:, ::-1], keys, 1.0)[0] == pytest.approx(1.313262, abs=1e-5)
    assert losses.patch_contrast(keys, keys, 0.5)[0] == pytest.approx(0.126928, abs=1e-5)
    alike = jnp.ones((1, 2, 2)) / np.sqrt(2)
    assert losses.patch_contrast(alike, keys, 1.0)[0] == pytest.approx(np.log(2), abs=1e-6)
