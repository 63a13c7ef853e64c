"""What tells that a checkpoint holds what was saved, and of which run."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from simgan_jax import __version__
from simgan_jax.io.atomic import DamagedFile, read_json
from simgan_jax.state import TrainState
from simgan_jax.training import devices

# Written by `provenance.write`, which gives a run its identity.
FILE = "environment.json"
# Goes up when what is saved can no longer be read by versions before.
FORMAT = 1


def digest(state: TrainState) -> str:
    """SHA-256 over every leaf's type, shape and bytes, in the tree's order."""
    sha = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        array = devices.fetch(plain(leaf))
        sha.update(f"{array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def plain(leaf: Any) -> Array:
    """An array of numbers: typed keys as the data that they hold."""
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def identity(workdir: Path) -> str | None:
    """What tells a run from every other one; None where environment.json does not say."""
    try:
        return read_json(workdir / FILE).get("run")
    except (FileNotFoundError, DamagedFile):
        return None


def note(state: TrainState, run: str | None) -> dict[str, Any]:
    """What is noted beside a state that is saved."""
    about = {"format": FORMAT, "version": __version__, "packages": _packages()}
    return about | {"sha256": digest(state), "run": run}


def read_note(item: Path) -> dict[str, Any]:
    """What `note` gave, from the folder where Orbax keeps it; {} if that cannot be read."""
    try:
        return read_json(item / "metadata")
    except (FileNotFoundError, DamagedFile):
        return {}


def written_by_these_packages(saved: dict[str, Any]) -> bool:
    """Whether what reads a checkpoint is what wrote it, so that it can be read unless it is damaged."""
    return saved.get("version") == __version__ and saved.get("packages") == _packages()


def _packages() -> dict[str, str]:
    return {name: version(name) for name in ("orbax-checkpoint", "tensorstore")}


def newer(saved: dict[str, Any]) -> str | None:
    """Why a checkpoint of a later version cannot be read; None for those that can."""
    form = saved.get("format")
    if not isinstance(form, int) or form <= FORMAT:
        return None
    return (
        f"saved by simgan_jax {saved.get('version')} in format {form}; this is "
        f"{__version__}, which reads format {FORMAT}: install the newer one"
    )


def mismatch(found: TrainState, saved: dict[str, Any], step: int, run: str | None) -> str | None:
    """What is wrong with arrays that were read.

    Args:
        found: the state.
        saved: what was noted beside it: "sha256", and "run" by versions after 0.1.0.
        step: under which it was found.
        run: identity of the run in whose folder it was found, if known.
    """
    if saved.get("sha256") != digest(found):
        return "its arrays do not fit their checksum"
    if int(found.step) != step:
        return f"it holds step {int(found.step)}"
    theirs = saved.get("run")
    return "it is another run's" if run and theirs and theirs != run else None


def difference(found: dict[str, Any], target: dict[str, Any]) -> str | None:
    """The first array that is not of the type and shape that the configuration asks for."""
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree_util.tree_leaves(target), strict=True
    )
    for (path, ours), theirs in pairs:
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            wanted = f"{theirs.dtype} {theirs.shape}"
            return f"{name} is {ours.dtype} {ours.shape} there, {wanted} by config.json"
    return None
