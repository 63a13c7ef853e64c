"""Data sets by name: `load(spec) -> Arrays`."""

import importlib
import re
from collections.abc import Mapping
from typing import Any

from simgan_jax.data import label_rules
from simgan_jax.data.arrays import Arrays
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


def load(spec: Mapping[str, Any]) -> Arrays:
    """Loads a data set into (possibly memory-mapped) arrays.

    Args:
        spec: `source`, one of `SOURCES`, and the keyword arguments of that source's `load`.

    Raises:
        UserError: unknown source or keyword, what the source says of its files, or labels that cannot
            be right.
    """
    keywords = dict(spec)
    source = keywords.pop("source", None)
    if source not in SOURCES:
        raise UserError(f"data source {source!r} is unknown; one of {', '.join(sorted(SOURCES))}")
    loader = importlib.import_module(SOURCES[source]).load
    try:
        arrays = loader(**keywords)
    except TypeError as error:
        if not re.match(r"load\(\) (got an unexpected keyword|missing \d+ required)", str(error)):
            raise
        raise UserError(f"data source {source}: {str(error).removeprefix('load() ')}") from error
    label_rules.check(arrays, source)
    return arrays


__all__ = ["Arrays", "load"]
