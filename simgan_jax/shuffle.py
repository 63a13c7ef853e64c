"""Stateless shuffling: which example comes when is a function of a key and a step."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int, Key, UInt32

# Swap-or-not mixes geometrically; at 64 rounds pairs and single positions pass a chi-square test for
# every size tried (tests/test_shuffle.py), and the cost is a few integer operations a round.
ROUNDS = 64


def permute(
    key: Key[Array, ""], positions: Int[Array, "..."], size: int | Int[Array, ""]
) -> Int[Array, "..."]:
    """Places of the given positions under a random permutation of 0..size-1.

    The swap-or-not shuffle (Hoang, Morris and Rogaway, CRYPTO 2012): each round pairs x with
    (k - x) mod size and swaps the pair if a hash of the round and of its larger member says so. Every
    round is its own inverse, so the whole is a permutation for any size, and the cost depends on
    the number of positions asked for, not on the size.

    Args:
        key: a typed key; it fixes the permutation.
        positions: int32, each in 0..size-1.
        size: number of elements, at least 1 and below 2**30; may be traced.

    Returns:
        int32, distinct for distinct positions.
    """
    size = jnp.asarray(size, jnp.int32)
    pair_key, hash_key = jax.random.split(key)
    pairings = jax.random.randint(pair_key, (ROUNDS,), 0, size)
    salts = jax.random.bits(hash_key, (ROUNDS,), jnp.uint32)

    def one_round(x, round_):
        pairing, salt = round_
        partner = (pairing + size - x) % size
        swap = _hash(jnp.maximum(x, partner).astype(jnp.uint32) ^ salt) & 1
        return jnp.where(swap == 1, partner, x), None

    return lax.scan(one_round, positions.astype(jnp.int32), (pairings, salts))[0]


def batch_indices(
    key: Key[Array, ""], step: Int[Array, ""] | int, batch: int, size: int
) -> Int[Array, "batch"]:
    """Indices of the step-th batch of an endless, reshuffled walk through `size` examples.

    Position step * batch + i of the walk lies in epoch (step * batch + i) // size; every epoch visits
    every example once, in an order of its own. A batch may cross into the next epoch, and may be
    larger than the set.

    Args:
        key: fixes the whole walk.
        step: number of batches before this one, 0 or more; may be traced.
        batch: examples in a batch.
        size: examples in the set.
    """
    epoch, offset = _divmod_product(jnp.asarray(step, jnp.int32), batch, size)
    walked = offset + jnp.arange(batch, dtype=jnp.int32)

    def one(position):
        return permute(jax.random.fold_in(key, epoch + position // size), position % size, size)

    return jax.vmap(one)(walked)


def _divmod_product(
    step: Int[Array, ""], batch: int, size: int
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """divmod(step * batch, size) without the product, which passes 2**31 in long runs."""

    def next_bit(carry, bit):
        quotient, remainder = carry
        total = 2 * remainder + ((step >> bit) & 1) * batch
        return (2 * quotient + total // size, total % size), None

    zero = jnp.zeros((), jnp.int32)
    return lax.scan(next_bit, (zero, zero), jnp.arange(30, -1, -1))[0]


def _hash(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """The finaliser of MurmurHash3 (32 bits): every input bit reaches every output bit."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
