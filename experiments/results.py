"""What experiments write of their figures: where these come from, beside what is there already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.flags import command_line
from experiments.machine import machine
from simgan_jax.io.atomic import read_json, write_json
from simgan_jax.training import provenance


def origin(name: str) -> dict[str, Any]:
    """The command and the machine that an experiment's figures come from.

    Args:
        name: of the experiment, a module of experiments/.
    """
    return {"command": command_line(name), "machine": machine()}


def stored(file: Path) -> dict[str, Any]:
    """What a file of results holds; {} where there is none."""
    return read_json(file) if file.exists() else {}


def add(file: Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Writes entries into a file of results, beside those that it has; returns all."""
    together = stored(file) | entries
    write_json(file, together)
    return together


def trained_on(workdir: Path) -> str:
    """The devices of a run: its seed alone does not fix its result, they do too."""
    return provenance.devices_used(read_json(workdir / "environment.json"))
