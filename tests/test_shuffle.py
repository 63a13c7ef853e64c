import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from simgan_jax.shuffle import _divmod_product, batch_indices, permute

permute_jit = jax.jit(permute)
batch_jit = jax.jit(batch_indices, static_argnums=(2, 3))
divmod_jit = jax.jit(_divmod_product, static_argnums=(1, 2))

PLACES = 300


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, PLACES))
def test_every_size_gives_a_permutation(seed, size):
    positions = np.arange(PLACES, dtype=np.int32) % size
    places = np.asarray(permute_jit(jax.random.key(seed), positions, size))
    assert sorted(places[:size]) == list(range(size))


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(PLACES, 2**30 - 1))
def test_positions_of_a_huge_set_stay_inside_and_distinct(seed, size):
    positions = (size - 1 - np.arange(PLACES)).astype(np.int32)
    places = np.asarray(permute_jit(jax.random.key(seed), positions, size))
    assert places.min() >= 0
    assert places.max() < size
    assert len(set(places.tolist())) == PLACES


def test_a_place_does_not_depend_on_what_else_is_asked_for():
    key = jax.random.key(3)
    together = permute(key, jnp.arange(50), 50)
    assert int(permute(jax.random.key(3), jnp.int32(17), 50)) == int(together[17])


@pytest.mark.parametrize("size", [2, 3, 6, 8, 13])
def test_places_and_pairs_of_places_are_uniform(size):
    keys = jax.random.split(jax.random.key(size), 8000)
    first, second = np.asarray(two_places(keys, size)).T
    assert chisquare(np.bincount(first, minlength=size)).pvalue > 1e-3
    pairs = np.bincount(first * size + second, minlength=size * size).reshape(size, size)
    assert not pairs.diagonal().any()
    assert chisquare(pairs[~np.eye(size, dtype=bool)]).pvalue > 1e-3


def test_neighbours_land_anywhere_in_a_large_set():
    keys = jax.random.split(jax.random.key(1), 8000)
    size = 51_200
    first, second = np.asarray(two_places(keys, size)).T
    distance = (second - first) % size
    assert chisquare(np.histogram(first, 16, (0, size))[0]).pvalue > 1e-3
    assert chisquare(np.histogram(distance, 16, (0, size))[0]).pvalue > 1e-3


@jax.jit
def two_places(keys, size):
    return jax.vmap(lambda key: permute(key, jnp.arange(2), size))(keys)


@pytest.mark.parametrize("batch, size", [(4, 10), (7, 3), (1, 6)])
def test_every_epoch_visits_every_example_once(batch, size):
    key = jax.random.key(batch)
    steps = jax.jit(jax.vmap(lambda step: batch_indices(key, step, batch, size)))
    walk = np.asarray(steps(jnp.arange(6 * size))).reshape(-1, size)
    assert (np.sort(walk) == np.arange(size)).all()
    orders = {tuple(epoch) for epoch in walk.tolist()}
    assert len(orders) > 1


@pytest.mark.parametrize("batch, size", [(48, 7), (1536, 50_000)])
def test_a_batch_holds_its_positions_of_the_walk_in_python_integers(batch, size):
    key = jax.random.key(5)
    place = jax.jit(jax.vmap(lambda e, p: permute(jax.random.fold_in(key, e), p, size)))
    for step in (0, 1, 2, 12_345, 1_400_000, 10_000_019):
        walked = [step * batch + i for i in range(batch)]
        epochs, positions = zip(*(divmod(x, size) for x in walked), strict=True)
        expected = place(np.uint32(epochs), np.int32(positions))
        actual = batch_jit(jax.random.key(5), step, batch, size)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    "batch, size", [(512, 51_200), (1536, 8_000), (3, 2**30 - 1), (4096, 4095)]
)
@given(step=st.integers(0, 2**31 - 1))
def test_products_beyond_32_bits_divide_as_python_integers_do(batch, size, step):
    quotient, remainder = divmod_jit(np.int32(step), batch, size)
    assert (int(quotient) % 2**32, int(remainder)) == (
        (step * batch // size) % 2**32,
        step * batch % size,
    )


def test_walks_of_different_keys_differ():
    one, other = (batch_jit(jax.random.key(seed), 0, 32, 1000) for seed in (0, 1))
    assert (one != other).any()


def test_shuffling_is_the_same_mapped_or_not():
    keys = jax.random.split(jax.random.key(0), 3)
    mapped = jax.jit(jax.vmap(lambda key: batch_indices(key, 2, 4, 10)))(keys)
    single = [batch_jit(key, 2, 4, 10) for key in jax.random.split(jax.random.key(0), 3)]
    np.testing.assert_array_equal(mapped, single)
