"""What makes a run reproducible: its configuration, and where, with what and on which data it ran."""

import hashlib
import importlib.metadata
import json
import platform
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import write_json
from simgan_jax.steps import Batch
from simgan_jax.training.checkpoint import Checkpoints, read_config

PACKAGES = ("simgan_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def claim(workdir: Path, config: ConfigDict) -> None:
    """Writes config.json into a new run's folder, or checks that an old one's is the same.

    A run that has saved nothing yet may begin again with another configuration.

    Raises:
        UserError: the folder belongs to a run of another configuration, or cannot be made.
    """
    if jax.process_index():
        return
    path = workdir / "config.json"
    if path.exists() and Checkpoints(workdir).steps():
        ours, theirs = _flat(config.to_dict()), _flat(read_config(workdir).to_dict())
        keys = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        if keys:
            key = keys[0]
            raise UserError(
                f"{workdir} holds a run of another configuration: {key} is {theirs.get(key)!r} there, "
                f"{ours.get(key)!r} here{f', and {len(keys) - 1} more differ' if keys[1:] else ''}; "
                "give another --workdir, or the same settings to resume"
            )
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(path, config.to_dict())
    except OSError as error:
        raise UserError(
            f"{workdir}: cannot write there ({error.strerror}); give another --workdir"
        ) from error


def write(workdir: Path, config: ConfigDict, sets: Batch, resumed: bool = False) -> None:
    """Writes environment.json: command, versions, machine, devices, seed and checksums of the data.

    Args:
        workdir: of the run.
        config: of the run.
        sets: what training sees of the data.
        resumed: whether the run has been here before; then the data must be the same, and devices are
            added to those of before.

    Raises:
        UserError: the run was begun with other data.
    """
    if jax.process_index():
        return
    path, first = workdir / "environment.json", jax.devices()[0]
    found = {name: {"shape": list(x.shape), "sha256": checksum(x)} for name, x in sets.items()}
    device = f"{jax.device_count()} x {first.device_kind} ({first.platform})"
    if resumed and path.exists():
        before = json.loads(path.read_text())
        for name in found:
            if found[name] != before["data"].get(name):
                raise UserError(
                    f"{workdir} was begun with other data: the {name} images have changed since; bring "
                    "them back to resume, or give another --workdir"
                )
        if not before["device"].endswith(device):
            device = f"{before['device']}, then {device}"
    write_json(
        path,
        {
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "seed": config.seed,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in PACKAGES},
            "machine": platform.platform(),
            "device": device,
            "data": found,
        },
    )


def checksum(array: np.ndarray) -> str:
    """SHA-256 of an array's bytes, read in pieces, so that memory-mapped sets stay on disk."""
    sha = hashlib.sha256()
    for start in range(0, len(array), 4096):
        sha.update(np.ascontiguousarray(array[start : start + 4096]).data)
    return sha.hexdigest()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _flat(tree: Any, prefix: str = "config") -> dict[str, Any]:
    """Leaves by dotted key, as JSON would hold them (tuples become lists)."""
    if not isinstance(tree, dict):
        return {prefix: json.loads(json.dumps(tree))}
    return {k: v for name, x in tree.items() for k, v in _flat(x, f"{prefix}.{name}").items()}
