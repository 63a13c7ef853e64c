import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from simgan_jax import history
from simgan_jax.history import History

sample = jax.jit(history.sample, static_argnums=2)
replace = jax.jit(history.replace)


def grey(*levels: int) -> jax.Array:
    """Images of one pixel in [-1, 1] with these 8-bit levels."""
    return (jnp.array(levels, jnp.float32) / 127.5 - 1).reshape(-1, 1, 1, 1)


def full(size: int) -> History:
    """A full history whose entries are their own numbers."""
    images = jnp.arange(size, dtype=jnp.uint16).reshape(-1, 1, 1, 1)
    return History(images, jnp.int32(size))


def levels(images: jax.Array, dtype=np.uint8) -> list[int]:
    half = np.iinfo(dtype).max / 2
    return np.rint((np.asarray(images, np.float64) + 1) * half).astype(int).ravel().tolist()


def test_an_empty_history_holds_zeros_of_the_data_type():
    empty = history.init(3, (2, 4, 1), np.uint16)
    assert empty.images.shape == (3, 2, 4, 1)
    assert empty.images.dtype == jnp.uint16
    assert int(empty.count) == 0
    assert not np.any(empty.images)


def test_new_images_are_appended_in_order_until_the_history_is_full():
    filled = history.init(5, (1, 1, 1), np.uint8)
    contents = []
    for pair in ((10, 11), (20, 21)):
        filled = replace(filled, jax.random.key(0), grey(*pair))
        contents.append((filled.images.ravel().tolist(), int(filled.count)))
    assert contents == [([10, 11, 0, 0, 0], 2), ([10, 11, 20, 21, 0], 4)]


def test_images_beyond_the_last_free_entry_go_over_the_oldest():
    filled = History(jnp.array([1, 2, 3, 0], jnp.uint8).reshape(4, 1, 1, 1), jnp.int32(3))
    filled = replace(filled, jax.random.key(0), grey(8, 9))
    assert filled.images.ravel().tolist() == [9, 2, 3, 8]
    assert int(filled.count) == 4


@given(seed=st.integers(0, 2**32 - 1))
def test_a_full_history_changes_in_exactly_as_many_entries_as_there_are_new_images(seed):
    before = full(12)
    after = replace(before, jax.random.key(seed), jnp.ones((5, 1, 1, 1)))
    assert int((after.images == 65535).sum()) == 5
    assert int((after.images == before.images).sum()) == 7
    assert int(after.count) == 12


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(3, 9))
def test_drawn_entries_are_filled_and_distinct(seed, count):
    partly = History(full(9).images + 1, jnp.int32(count))
    drawn = levels(sample(partly, jax.random.key(seed), 3), np.uint16)
    assert len(set(drawn)) == 3
    assert set(drawn) <= set(range(1, count + 1))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_drawing_more_than_there_is_gives_finite_images_in_range(count):
    partly = History(full(9).images, jnp.int32(count))
    drawn = sample(partly, jax.random.key(0), 3)
    assert drawn.shape == (3, 1, 1, 1)
    assert np.isfinite(drawn).all()
    assert set(levels(drawn, np.uint16)) <= set(range(max(count, 1)))


@pytest.mark.parametrize("count, can", [(0, False), (3, False), (4, True), (5, True)])
def test_a_draw_is_possible_once_there_are_enough_entries(count, can):
    assert bool(history.can_sample(History(full(9).images, jnp.int32(count)), 4)) is can


def test_all_entries_and_all_pairs_are_drawn_equally_often():
    keys = jax.random.split(jax.random.key(0), 6000)
    drawn = jax.jit(jax.vmap(lambda key: history.sample(full(6), key, 2)))(keys)
    assert_uniform_pairs(np.array(levels(drawn, np.uint16)).reshape(-1, 2))


def test_all_entries_and_all_pairs_are_replaced_equally_often():
    def replaced(key):
        new = jnp.array([-1.0, 1.0]).reshape(2, 1, 1, 1)
        images = history.replace(History(full(6).images + 5, jnp.int32(6)), key, new).images
        return jnp.argmin(images.ravel()), jnp.argmax(images.ravel())

    first, second = jax.jit(jax.vmap(replaced))(jax.random.split(jax.random.key(1), 6000))
    assert_uniform_pairs(np.stack([first, second], 1))


def assert_uniform_pairs(pairs: np.ndarray) -> None:
    counts = np.zeros((6, 6), int)
    np.add.at(counts, tuple(pairs.T), 1)
    assert not counts.diagonal().any()
    assert chisquare(counts.sum(1)).pvalue > 1e-3
    assert chisquare(counts[~np.eye(6, dtype=bool)]).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_storing_costs_no_more_than_half_a_grey_level(dtype):
    images = np.random.default_rng(0).uniform(-1, 1, (4, 3, 3, 1)).astype(np.float32)
    kept = history.replace(history.init(4, (3, 3, 1), dtype), jax.random.key(0), images)
    assert kept.images.dtype == dtype
    back = history.sample(kept, jax.random.key(1), 4)
    order = [int(np.abs(images - image).sum((1, 2, 3)).argmin()) for image in back]
    assert sorted(order) == [0, 1, 2, 3]
    # Half a level, and the rounding of float32 arithmetic around 1.
    assert np.abs(images[order] - back).max() <= 1 / np.iinfo(dtype).max + 2e-7


def programs(size: int) -> list[jax.stages.Lowered]:
    """Drawing and replacing 8 images of 4 bytes; the buffer is donated, as training programs do."""
    buffer = jax.eval_shape(lambda: history.init(size, (2, 2, 1), np.uint8))
    key = jax.eval_shape(lambda: jax.random.key(0))
    images = jax.ShapeDtypeStruct((8, 2, 2, 1), jnp.float32)
    in_place = jax.jit(history.replace, donate_argnums=0)
    return [sample.lower(buffer, key, 8), in_place.lower(buffer, key, images)]


def test_the_bytes_that_are_moved_do_not_grow_with_the_size_of_the_history():
    """A buffer that is shifted along, or a permutation of all its entries, would be moved whole."""
    small, large = (
        [p.cost_analysis()["bytes accessed"] for p in programs(n)] for n in (512, 51200)
    )
    assert small == large
    assert min(small) > 8 * 4


def test_the_history_is_changed_in_place():
    memory = programs(51_200)[1].compile().memory_analysis()
    assert memory.alias_size_in_bytes >= 4 * 51_200
    assert memory.temp_size_in_bytes < 4 * 51_200 / 10
