import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax import create_train_state, make_setup
from simgan_jax.state import refiner_params, sample_noise


@pytest.fixture
def setup(tiny_config):
    tiny_config.image.dtype = "uint16"
    tiny_config.train.ema = 0.5
    return make_setup(tiny_config)


def test_a_new_state_is_at_step_zero_with_an_empty_history_of_the_data_type(setup):
    state = create_train_state(jax.random.key(0), setup)
    counters = (state.step, state.refiner.updates, state.discriminator.updates, state.history.count)
    assert [int(x) for x in counters] == [0, 0, 0, 0]
    assert all(x.dtype == jnp.int32 for x in counters)
    assert state.history.images.dtype == jnp.uint16
    assert state.history.images.shape == (16, 24, 24, 1)
    assert float(state.self_regularization) == 0.5
    assert state.self_regularization.dtype == jnp.float32


def test_the_key_decides_everything(setup):
    states = [create_train_state(jax.random.key(seed), setup) for seed in (0, 0, 1)]
    kernels = [state.refiner.params["stem"]["kernel"] for state in states]
    assert (kernels[0] == kernels[1]).all()
    assert (kernels[0] != kernels[2]).any()


def test_parameters_are_float32_when_the_networks_compute_in_bfloat16(tiny_config):
    tiny_config.refiner.dtype = tiny_config.discriminator.dtype = "bfloat16"
    setup = make_setup(tiny_config)
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    leaves = jax.tree.leaves((state.refiner.params, state.discriminator.params, state.ema))
    assert {x.dtype for x in leaves} == {jnp.dtype("float32")}


def test_averaged_parameters_start_as_a_copy_of_their_own(setup):
    state = create_train_state(jax.random.key(0), setup)
    own, averaged = jax.tree.leaves(state.refiner.params), jax.tree.leaves(state.ema)
    # Sharing a buffer would donate it twice.
    assert all(a is not b and (a == b).all() for a, b in zip(own, averaged, strict=True))


def test_refining_takes_the_averaged_parameters_where_they_are_kept(setup):
    kept = create_train_state(jax.random.key(0), setup)
    assert refiner_params(kept) is kept.ema
    without = create_train_state(jax.random.key(0), setup.replace(ema=0.0))
    assert without.ema is None
    assert refiner_params(without) is without.refiner.params


def test_an_update_moves_against_the_gradient_and_counts(tiny_config):
    settings = {"name": "sgd", "learning_rate": 0.25, "momentum": 0.0}
    tiny_config.optimizer.refiner.update(settings)
    setup = make_setup(tiny_config)
    network = create_train_state(jax.random.key(0), setup).refiner
    gradients = jax.tree.map(jnp.ones_like, network.params)
    moved = network.update(gradients, setup.refiner_optimizer)
    assert int(moved.updates) == 1
    np.testing.assert_allclose(
        moved.params["head"]["kernel"], network.params["head"]["kernel"] - 0.25, rtol=1e-6
    )


def test_noise_is_drawn_only_for_refiners_that_take_it(tiny_config):
    images = jnp.zeros((2, 24, 24, 1))
    assert sample_noise(make_setup(tiny_config), jax.random.key(0), images) is None
    tiny_config.refiner.noise_channels = 3
    noise = sample_noise(make_setup(tiny_config), jax.random.key(0), images)
    assert noise.shape == (2, 24, 24, 3)


def test_a_state_cannot_be_changed_in_place(setup):
    state = create_train_state(jax.random.key(0), setup)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.step = 3
