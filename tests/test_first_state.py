import jax
import numpy as np

from simgan_jax import create_train_state, make_setup
from simgan_jax.training.digest import plain
from simgan_jax.training.first_state import first_state


def test_the_first_state_is_that_of_create_train_state(tiny_config):
    setup, key = make_setup(tiny_config), jax.random.key(3)
    ours, theirs = first_state(key, setup), create_train_state(key, setup)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(plain(a), plain(b), rtol=1e-5), ours, theirs
    )
