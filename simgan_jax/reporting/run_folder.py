"""What a run has left in its folder, as far as it can be read."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import DamagedFile, read_json
from simgan_jax.training import logs


class Run(NamedTuple):
    """The files of a run's folder, as far as they can be read.

    Attributes:
        workdir: the folder.
        config: config.json.
        environment: environment.json, {} if missing.
        rows: of metrics.jsonl, numbers only, but for "phase".
        evaluation: evaluation.json, {} if missing.
        problems: one sentence for each file that is damaged.
    """

    workdir: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    rows: list[dict[str, Any]]
    evaluation: dict[str, Any]
    problems: list[str]

    @property
    def step(self) -> int:
        """Steps done, as logged."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def last(self) -> int:
        """Steps of the whole run, 0 if the configuration does not say."""
        parts = ("pretrain_refiner", "pretrain_discriminator", "steps")
        return sum(int(number(self.config, "train", part) or 0) for part in parts)

    @property
    def finished(self) -> bool:
        """Whether the schedule has ended."""
        return 0 < self.last <= self.step


def read_run(workdir: Path) -> Run:
    """Reads what there is; only config.json must be whole.

    Raises:
        UserError: config.json is missing or damaged.
    """
    problems: list[str] = []
    path = workdir / "config.json"
    config = _read_json(path, problems)
    if problems:
        raise UserError(f"{path}: {problems[0]}; restore it or train anew")
    if not config:
        raise UserError(f"{path}: no such file; --workdir must name the folder of a run")
    environment = _read_json(workdir / "environment.json", problems)
    evaluation = _read_json(workdir / "evaluation.json", problems)
    return Run(
        workdir,
        config,
        environment,
        _read_rows(workdir / logs.FILE, problems),
        evaluation,
        problems,
    )


def number(tree: Any, *path: str) -> float | None:
    """A finite number at a path of a JSON tree, None if there is none."""
    leaf = _at(tree, path)
    is_number = isinstance(leaf, int | float) and not isinstance(leaf, bool)
    return float(leaf) if is_number and math.isfinite(leaf) else None


def numbers(tree: Any, *path: str) -> list[float]:
    """A list of finite numbers at a path of a JSON tree, [] if there is none."""
    leaf = _at(tree, path)
    values = [number({"x": x}, "x") for x in leaf] if isinstance(leaf, list) else []
    return [] if None in values else values


def pair(tree: Any, *path: str) -> tuple[float, float] | None:
    """Two finite numbers at a path of a JSON tree, None if there are none."""
    values = numbers(tree, *path)
    return (values[0], values[1]) if len(values) == 2 else None


def _at(tree: Any, path: Sequence[str]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _read_json(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
    except DamagedFile as error:
        problems.append(f"{path.name} {str(error).removeprefix(f'{path}: ')}")
        return {}


def _read_rows(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    """Rows with a step and a phase, of their metrics those that are finite numbers."""
    try:
        rows = logs.read(path)
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} is damaged ({' '.join(str(error).split())})")
        return []
    good = []
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("phase"), str):
            row = {k: v for k, v in row.items() if k == "phase" or number(row, k) is not None}
            if "step" in row:
                good.append(row)
    if len(good) < len(rows):
        problems.append(
            f"{path.name}: {len(rows) - len(good)} lines without step or phase left out"
        )
    return good
