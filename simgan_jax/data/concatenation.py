"""Several data sets as one, such as photographs from two places."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError


def load(parts: Sequence[Mapping[str, Any]]) -> Arrays:
    """The rows of every part, one after the other.

    Args:
        parts: specs as `simgan_jax.data.load` takes them; images of one size and type.

    Returns:
        All images, and the labels that every part has.

    Raises:
        UserError: no part, images that do not fit together, or what a part says of its files.
    """
    from simgan_jax.data import load as load_one  # which imports this module by name

    if not parts:
        raise UserError("data source concatenation: parts is empty; list at least one data set")
    sets = [load_one(part) for part in parts]
    kinds = {(x.images.shape[1:], str(x.images.dtype)) for x in sets}
    if len(kinds) > 1:
        raise UserError(f"data source concatenation: parts differ in size or type: {sorted(kinds)}")
    shared = set.intersection(*(set(x.labels) for x in sets))
    return Arrays(
        np.concatenate([x.images for x in sets]),
        {name: np.concatenate([x.labels[name] for x in sets]) for name in sorted(shared)},
    )
