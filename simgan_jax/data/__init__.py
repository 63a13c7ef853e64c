"""Data sets by name: `load(spec) -> Arrays`."""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from simgan_jax.data import label_rules, specification
from simgan_jax.data.arrays import Arrays, digests
from simgan_jax.errors import UserError

# Imported when used: a source may need a package that another user does not have or that is slow.
SOURCES = {
    "concatenation": "simgan_jax.data.concatenation",
    "crops": "simgan_jax.data.crops",
    "fda": "simgan_jax.data.fourier_adaptation",
    "folder": "simgan_jax.data.folder",
    "matched": "simgan_jax.data.histogram_matching",
    "mpii_gaze": "simgan_jax.data.mpii_gaze",
    "nyu_hand": "simgan_jax.data.nyu_hand",
    "procedural_eyes": "simgan_jax.data.procedural.eyes",
    "procedural_hands": "simgan_jax.data.procedural.hands",
    "resampled": "simgan_jax.data.resampling",
    "table": "simgan_jax.data.table",
    "unity_eyes": "simgan_jax.data.unity_eyes",
}
# Whose images lie in no order: drawn one by one, or shuffled by TFDS within a split.
UNORDERED = ("mpii_gaze", "nyu_hand", "procedural_eyes", "procedural_hands", "unity_eyes")


def load(spec: Mapping[str, Any]) -> Arrays:
    """Loads a data set into (possibly memory-mapped) arrays.

    Args:
        spec: `source`, one of `SOURCES`, and the keyword arguments of that source's `load`.

    Raises:
        UserError: unknown source or keyword, what the source says of its files, or labels that cannot
            be right.
    """
    source, keywords = _checked(spec)
    arrays = importlib.import_module(SOURCES[source]).load(**keywords)
    label_rules.check(arrays, source)
    return arrays


def load_set(config: ConfigDict, name: str) -> Arrays:
    """Loads the set `config.data.<name>`.

    Raises:
        UserError: what `load` raises, with the set's name.
    """
    with of_set(name):
        return load(config.data[name])


def load_mixed(config: ConfigDict, count: int | None = None) -> Arrays:
    """Loads `config.data.synthetic`, `mixed`.

    Args:
        config: of a run.
        count: to load instead of the specification's; those of the specification come first.

    Raises:
        UserError: what `load` raises, with the set's name.
    """
    spec = dict(config.data.synthetic)
    own = spec.get("count") or None
    if count is not None:
        spec["count"] = count
    with of_set("synthetic"):
        arrays = load(spec)
    return mixed(arrays, spec["source"], own)


def mixed(arrays: Arrays, source: str, own: int | None = None, count: int | None = None) -> Arrays:
    """Renderings in a random order, always the same: a simulator may have swept its labels in turn.

    Some renderings train estimators, others choose a checkpoint or are measured, so each part must be
    like the whole. Copies of an image stay side by side, so that few are in two parts; where there are
    none, the order depends on the number of images alone. Training itself goes through a set at random,
    and takes it as it lies.

    Args:
        arrays: from `load`.
        source: they came from; of those in `UNORDERED` they stay as they lie.
        own: so many stay in front, mixed among themselves; the others follow, mixed too.
        count: of the mixed ones the first so many; None for all.
    """
    if source in UNORDERED:
        return arrays[:count]
    rng = np.random.default_rng(0)

    def order(first: int, last: int) -> np.ndarray:
        known: dict[bytes, int] = {}
        images = [known.setdefault(x, len(known)) for x in digests(arrays.images[first:last])]
        return first + np.argsort(rng.permutation(len(known))[images], kind="stable")

    own = len(arrays) if own is None else min(own, len(arrays))
    rows = np.concatenate([order(0, own), order(own, len(arrays))])
    return arrays[rows[:count]]


def neighbours_swapped(arrays: Arrays, source: str) -> Arrays:
    """Real images, of which one of every two neighbours is now before the other by chance.

    Real images lie person by person, and are divided by taking every second one; where left and right
    eyes take turns, each part would be of one side. The same swaps always.

    Args:
        arrays: from `load`.
        source: they came from; of those in `UNORDERED` they stay as they lie.
    """
    if source in UNORDERED:
        return arrays
    pairs = np.arange(len(arrays) // 2 * 2).reshape(-1, 2)
    swapped = np.random.default_rng(0).permuted(pairs, axis=1).ravel()
    return arrays[np.concatenate([swapped, np.arange(len(swapped), len(arrays))])]


@contextmanager
def of_set(name: str) -> Iterator[None]:
    """What is wrong with a set of a configuration begins with its name."""
    try:
        yield
    except UserError as error:
        raise UserError(f"config.data.{name}: {error}") from error


def check(spec: Mapping[str, Any]) -> None:
    """Refuses what `load` would refuse before it looks at a file, and what config.json cannot hold.

    Raises:
        UserError: unknown source or keyword, a missing one, a value of another type or out of range.
    """
    source, keywords = _checked(spec)
    for name, value in keywords.items():
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, os.PathLike):
                raise UserError(f"data source {source}: {name} is {part!r}; give it as a text")
            if isinstance(part, Mapping | ConfigDict) and "source" in part:
                check(part)


def _checked(spec: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The source and its keyword arguments."""
    keywords = dict(spec)
    source = keywords.pop("source", None)
    if source not in SOURCES:
        raise UserError(f"data source {source!r} is unknown; one of {', '.join(sorted(SOURCES))}")
    specification.check(keywords, SOURCES[source], f"data source {source}")
    return source, keywords


__all__ = [
    "Arrays",
    "check",
    "load",
    "load_mixed",
    "load_set",
    "mixed",
    "neighbours_swapped",
    "of_set",
]
