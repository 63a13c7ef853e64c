"""What makes a run reproducible: its configuration, and where, with what and on which data it ran."""

import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from simgan_jax.errors import UserError, warn
from simgan_jax.io.atomic import DamagedFile, read_json, write_json
from simgan_jax.setup import Setup, make_setup
from simgan_jax.steps import Batch
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.digest import FILE, identity
from simgan_jax.training.processes import is_first

# What earlier versions did, which knew no such setting.
EARLIER = {
    "config.data.histogram_matching": False,
    "config.discriminator.second": "none",
    "config.loss.reading.augmentation": [1.0],
    "config.loss.reading.of": "predictions",
    "config.loss.reading.target": 0.0,
    "config.loss.contrast.weight": 0.0,
    "config.loss.contrast.places": 256,
    "config.loss.contrast.temperature": 0.07,
}
PACKAGES = ("simgan_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def claim(workdir: Path, config: ConfigDict) -> None:
    """Writes config.json into a new run's folder, or checks that an old one's is the same.

    A run that has saved nothing yet may begin again with another configuration.

    Raises:
        UserError: the folder belongs to a run of another configuration, or cannot be made.
    """
    _require_name(workdir)
    if not is_first() or _is_claimed(workdir, config):
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(workdir / "config.json", config.to_dict())
    except OSError as error:
        raise UserError(
            f"{workdir}: cannot write there ({error.strerror}); give another --workdir"
        ) from error


def require_claimable(workdir: Path, config: ConfigDict) -> None:
    """Refuses what `claim` would, and writes nothing.

    Raises:
        UserError: the folder belongs to a run of another configuration, or cannot be made.
    """
    _require_name(workdir)
    _is_claimed(workdir, config)
    there = existing_part(workdir)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{workdir}: cannot write there ({there}); give another --workdir")


def _require_name(workdir: Path) -> None:
    """Raises UserError for a name that is no UTF-8: TensorStore, which writes checkpoints, needs it."""
    try:
        str(workdir.absolute()).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{workdir}: the name is no UTF-8, and no checkpoint can be written there; give another "
            "--workdir"
        ) from error


def existing_part(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that there is."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _is_claimed(workdir: Path, config: ConfigDict) -> bool:
    """Whether the folder holds a run of this configuration that has saved something."""
    if not ((workdir / "config.json").exists() and Checkpoints(workdir).steps()):
        return False
    ours, theirs = _settings(config), _settings(read_config(workdir))
    keys = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    if keys:
        key = keys[0]
        raise UserError(
            f"{workdir} holds a run of another configuration: {key} is {theirs.get(key)!r} there, "
            f"{ours.get(key)!r} here{f', and {len(keys) - 1} more differ' if keys[1:] else ''}; "
            "give another --workdir, or the same settings to resume"
        )
    return True


def read_config(workdir: str | Path) -> ConfigDict:
    """The configuration of a run.

    Raises:
        UserError: no run there.
    """
    path = Path(workdir) / "config.json"
    try:
        return ConfigDict(read_json(path))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; --workdir must name the folder of a run") from error
    except DamagedFile as error:
        raise UserError(f"{error}; restore it or train anew with another --workdir") from error
    except ValueError as error:  # a name with a dot
        raise UserError(
            f"{path}: {error} Restore it or train anew with another --workdir"
        ) from error


def read_setup(workdir: str | Path) -> tuple[ConfigDict, Setup]:
    """The configuration of a run, and the setup that it describes.

    Raises:
        UserError: no run there, or its configuration was damaged.
    """
    config = read_config(workdir)
    try:
        return config, make_setup(config)
    except (AttributeError, KeyError, TypeError) as error:
        # What a ConfigDict says of a missing key has several lines.
        said = " ".join(str(error).split())[:100]
        path = Path(workdir) / "config.json"
        raise UserError(f"{path}: lacks settings of a run ({said}); restore it") from error


def write(workdir: Path, config: ConfigDict, sets: Batch, step: int = 0) -> None:
    """Writes environment.json: seed, checksums of the data, and of each part of the run how it ran.

    "run" is drawn at random and tells the run's checkpoints from those of every other one. The first
    part's command, versions, machine and devices stand beside the seed; those of later ones are added
    to the list "resumed", with the step that each went on from.

    Args:
        workdir: of the run.
        config: of the run.
        sets: what training sees of the data.
        step: steps done; after the first the data must be those of before.

    Raises:
        UserError: the run was begun with other data.
    """
    if not is_first():
        return
    path, found = workdir / FILE, _checksums(sets)
    before = _read_environment(path) if step else {}
    if not before:
        # A run that goes on without its old file keeps no identity: its checkpoints have another.
        run = identity(workdir) or (None if step else secrets.token_hex(8))
        write_json(path, _part() | {"seed": config.seed, "run": run, "data": found})
        return
    _require_same(workdir, before, found)
    parts = [*before.get("resumed", []), {"step": step} | _part()]
    write_json(path, before | {"resumed": parts})


def require_same_data(workdir: Path, sets: Batch) -> None:
    """Refuses what `write` would for a run that goes on, and writes nothing.

    Raises:
        UserError: the run was begun with other data.
    """
    if Checkpoints(workdir).steps():
        _require_same(workdir, _read_environment(workdir / FILE), _checksums(sets))


def _checksums(sets: Batch) -> dict[str, Any]:
    return {name: {"shape": list(x.shape), "sha256": checksum(x)} for name, x in sets.items()}


def _require_same(workdir: Path, before: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    known = before.get("data") or found
    for name in found:
        if found[name] != known.get(name):
            raise UserError(
                f"{workdir} was begun with other data: the {name} images have changed since; bring "
                "them back to resume, or give another --workdir"
            )


def _read_environment(path: Path) -> dict[str, Any]:
    """What an earlier part of the run wrote; {} where that is lost, which a warning says."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
    except DamagedFile as error:
        warn(f"{error}; whether the data are those that the run began with cannot be told")
        return {}


def parts(environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a run that environment.json tells of, that which began it first."""
    resumed = environment.get("resumed")
    later = resumed if isinstance(resumed, list) else []
    return [environment, *(part for part in later if isinstance(part, Mapping))]


def devices_used(environment: Mapping[str, Any]) -> str:
    """The devices of a run's parts in their order, each once; "" if unknown."""
    found = (part.get("device") for part in parts(environment))
    return ", then ".join(dict.fromkeys(str(device) for device in found if device))


def checksum(array: np.ndarray) -> str:
    """SHA-256 of an array's bytes, read in pieces, so that memory-mapped sets stay on disk."""
    sha = hashlib.sha256()
    for start in range(0, len(array), 4096):
        sha.update(np.ascontiguousarray(array[start : start + 4096]).data)
    return sha.hexdigest()


def file_checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of a JSON tree by dotted key; mappings in a list are numbered from 1."""
    if isinstance(tree, list) and any(isinstance(x, Mapping) for x in tree):
        tree = {str(i): branch for i, branch in enumerate(tree, 1)}
    if not isinstance(tree, Mapping) or not tree:
        return {prefix: tree} if prefix else {}
    return {
        key: leaf
        for name, branch in tree.items()
        for key, leaf in flat(branch, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _part() -> dict[str, Any]:
    """By what command, with what and where this process runs."""
    device = jax.devices()[0]
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": platform.platform(),
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _settings(config: ConfigDict) -> dict[str, Any]:
    """Values by dotted key, as JSON holds them (tuples become lists), but for those that do nothing.

    Runs of older versions, which knew fewer settings, go on if what they did is asked for.
    """
    settings = EARLIER | flat(json.loads(json.dumps(config.to_dict())), "config")
    if settings.get("config.loss.psi") == "estimator":
        return settings
    return {k: x for k, x in settings.items() if not k.startswith("config.loss.reading.")}
