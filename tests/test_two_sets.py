"""One set given as synthetic and as real leaves a discriminator nothing to tell."""

import numpy as np
import pytest

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.training.loop import load_sets, require_two


def test_one_set_given_as_both_is_refused(tiny_config):
    tiny_config.data.real = tiny_config.data.synthetic
    count = tiny_config.data.synthetic.count
    with pytest.raises(UserError, match=f"have {count} images in common"):
        load_sets(tiny_config, make_setup(tiny_config))


def test_sets_may_share_less_than_half_of_the_smaller_one():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    require_two(Arrays(images[:3]), Arrays(images[2:]))
    with pytest.raises(UserError, match="have 2 images in common, of 4 and 3 different ones"):
        require_two(Arrays(images[:4]), Arrays(images[2:]))
