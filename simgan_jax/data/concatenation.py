"""Several data sets as one, such as photographs from two places."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.table_labels import RECORDINGS
from simgan_jax.errors import UserError


def load(parts: Sequence[Mapping[str, Any]], same_groups: bool = False) -> Arrays:
    """The rows of every part, one after the other.

    Args:
        parts: specs as `simgan_jax.data.load` takes them; images of one size and type.
        same_groups: whether a number of participant, day or group means the same in every part. By
            default each part has its own, and those of later parts are raised above the earlier ones'.

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
    labels = {name: [x.labels[name] for x in sets] for name in sorted(shared)}
    if not same_groups:
        labels |= {name: _apart(labels[name]) for name in RECORDINGS if name in labels}
    images = np.concatenate([x.images for x in sets])
    return Arrays(images, {name: np.concatenate(parts) for name, parts in labels.items()})


def _apart(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Numbers of groups, those of every part above those of the parts before."""
    found, above = [], None
    for numbers in parts:
        if above is not None and len(numbers):
            numbers = numbers + max(0, above + 1 - numbers.min())
        found.append(numbers)
        if len(numbers):
            above = numbers.max()
    return found
