"""Measures a run, or a refiner on plain arrays, and writes evaluation.json and its figures."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from rich.console import Console

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.artefacts import measure_artefacts
from simgan_jax.evaluation.choice import choose, earlier_choice
from simgan_jax.evaluation.label_distributions import measure_label_distributions
from simgan_jax.evaluation.label_preservation import look_drift, measure_labels, reading_drift
from simgan_jax.evaluation.notes import notes_on
from simgan_jax.evaluation.plan import REFINED, Plan, Row, default_settings, make_plan
from simgan_jax.evaluation.realism import measure_realism
from simgan_jax.evaluation.rows import Say, judge_rows, train_rows
from simgan_jax.evaluation.sets import Sets, labelled_of, load_sets, own
from simgan_jax.evaluation.summary import accuracy_line, shift_line, summary, table
from simgan_jax.io.atomic import DamagedFile, read_json, write_json
from simgan_jax.io.locks import alone
from simgan_jax.metrics import two_sample
from simgan_jax.models import Discriminator
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.refinement.sets import refine_set
from simgan_jax.setup import Setup
from simgan_jax.training.provenance import read_setup

FILE, FOLDER = "evaluation.json", "evaluation"
# Integer images to the same with other grey values.
Match = Callable[[np.ndarray], np.ndarray]
# In a run's folder, held while it is measured: a choice and a report belong together.
LOCK = ".evaluation.lock"
# Whose predictions refinement should not move, the first that there is.
READERS = (Row("synthetic", augmented=True), Row("synthetic"))
# The same where grey values are matched first: trained on images as the network gets them.
MATCHED_READERS = (Row("matched", augmented=True), Row("matched"), *READERS)


def evaluate(
    plan: Plan,
    task: str,
    sets: Sets,
    refine: Callable[[np.ndarray], np.ndarray],
    network: Discriminator = two_sample.NETWORK,
    seed: int = 0,
    say: Say = lambda line: None,
    match: Match | None = None,
    known: Mapping[Row, Sequence[Estimator]] | None = None,
) -> dict[str, Any]:
    """Measures a refiner; what is in the report: docs/evaluation.md.

    Args:
        plan: how much.
        task: a name of `tasks.TASKS`, or "none".
        sets: the data.
        refine: integer images to refined ones.
        network: architecture of the fresh discriminators.
        seed: of everything.
        say: gets a line when something has been measured.
        match: what `refine` does to grey values before its network (`Refine.match`), if it does: labels
            and what is painted are measured from there, realism and errors from the images themselves.
        known: rows that are trained already, by `train_unrefined` of the same plan, sets and seed.

    Raises:
        UserError: a label or images that the task needs are missing.
    """
    known = known or {}
    synthetic, real, test, _ = sets
    image_split.require_enough(synthetic, real)
    trained, probe, compared = image_split.to_report(synthetic, real, plan.probe)
    refined = refine(probe.images)
    before = Arrays(match(probe.images), probe.labels) if match else probe
    shift = measure_labels(before, refined, seed)
    say(shift_line(shift))
    realism = measure_realism(plan, probe.images, refined, compared, network, seed)
    say(accuracy_line(realism))
    result: dict[str, Any] = {
        "task": task,
        "seeds": plan.seeds,
        "label_shift": shift,
        "realism": realism,
        "artefacts": measure_artefacts(before, refined, compared, seed),
        "estimators": {},
    }
    if test is None or task == "none":
        return result

    labelled = labelled_of(sets)
    rest = replace(plan, rows=tuple(row for row in plan.rows if row not in known))
    new, skipped = train_rows(rest, task, trained, refine, real.images, labelled, seed, say)
    trained_rows = new | known
    estimators = {row: trained_rows[row] for row in plan.rows if row in trained_rows}
    mean_of = labelled if tasks.has_label(task, labelled) and len(labelled) else trained
    result |= judge_rows(task, estimators, mean_of, test) | {"skipped": skipped}
    if reader := _reader(plan, match is not None):
        drift = reading_drift(estimators[reader], before, refined)
        drift["look"] = look_drift(estimators[reader], before, real.images, seed)
        shift["estimate"] = {"estimator": str(reader)} | drift
        result["label_distributions"] = {"estimator": str(reader)} | measure_label_distributions(
            estimators[reader], trained, before, real, seed
        )
    return result


def train_unrefined(
    plan: Plan,
    task: str,
    sets: Sets,
    seed: int = 0,
    say: Say = lambda line: None,
) -> dict[Row, list[Estimator]]:
    """The rows of the plan that need no refiner; so `READERS` can help to choose one.

    Args:
        plan: of `evaluate`.
        task: the same.
        sets: the same.
        seed: the same.
        say: the same.

    Returns:
        {} where no estimator is trained.
    """
    rows = tuple(row for row in plan.rows if row.base not in REFINED)
    if not rows or sets.test is None or task == "none":
        return {}
    image_split.require_enough(sets.synthetic, sets.real)
    trained, *_ = image_split.to_report(sets.synthetic, sets.real, plan.probe)
    only, labelled = replace(plan, rows=rows), labelled_of(sets)
    return train_rows(only, task, trained, lambda x: x, sets.real.images, labelled, seed, say)[0]


def _reader(plan: Plan, matched: bool) -> Row | None:
    """The row whose predictions refinement should not move; None where the plan has none."""
    return next(
        (row for row in (MATCHED_READERS if matched else READERS) if row in plan.rows), None
    )


def evaluate_run(
    workdir: str | Path,
    level: str = "full",
    seeds: int | None = None,
    say: Say = lambda line: None,
    rows: Sequence[str] | None = None,
    choose_anew: bool = False,
) -> dict[str, Any]:
    """Measures the checkpoint that a run uses, writes the report and its figures.

    The checkpoint is chosen once: an earlier choice stands unless a checkpoint has been added since, or
    the one that it names is gone.

    Args:
        workdir: of a run with at least one checkpoint.
        level: "quick" or "full".
        seeds: instead of the level's.
        say: gets a line when something has been measured.
        rows: instead of the level's.
        choose_anew: whether to choose again in any case.

    Raises:
        UserError: no run there, another process evaluates it, or data that the configuration names are
            missing or unlabelled.
    """
    workdir = Path(workdir)
    config, setup = read_setup(workdir)
    plan = plan_of(config, level, seeds, rows)
    with alone(workdir / LOCK, "evaluated"):
        return _evaluate_run(workdir, config, setup, plan, level, say, choose_anew)


def _evaluate_run(
    workdir: Path,
    config: ConfigDict,
    setup: Setup,
    plan: Plan,
    level: str,
    say: Say,
    choose_anew: bool,
) -> dict[str, Any]:
    """`evaluate_run`, alone in its folder."""
    start = time.perf_counter()
    sets, matched = load_sets(config, plan), config.data.get("histogram_matching", False)
    choice = None if choose_anew else earlier_choice(workdir)
    when = "chosen earlier" if choice else "chosen"
    known = {}
    if not choice:
        known = train_unrefined(plan, config.task, sets, config.seed, say)
        readers = known.get(_reader(plan, matched), ())
        images = own(sets.synthetic, config.data.synthetic)
        choice = choose(workdir, images, sets.real, readers)
    say(f"checkpoint {choice['step']} {when} by realism and label shift: {choice['rule']}")
    refine = load_refiner(workdir)  # the chosen checkpoint, or the one before if that is damaged
    network = setup.discriminator
    refine_all, match = partial(refine_set, refine), refine.match if matched else None
    measured = evaluate(
        plan, config.task, sets, refine_all, network, config.seed, say, match, known
    )
    report = {"level": level, "checkpoint": refine.step, **measured}
    report["candidates"] = choice["candidates"]
    report["notes"] = notes_on(config.data.to_dict(), sets.test, choice, sets.real)
    report["seconds"] = round(time.perf_counter() - start, 1)
    write_json(workdir / FILE, report)
    from simgan_jax.evaluation import figures  # Matplotlib is not worth waiting for before the end

    figures.draw(report, workdir / FOLDER)
    return report


def is_evaluated(workdir: Path) -> bool:
    """Whether a run has a whole evaluation.json."""
    try:
        read_json(workdir / FILE)
    except (FileNotFoundError, DamagedFile):
        return False
    return True


def plan_of(
    config: ConfigDict, level: str, seeds: int | None = None, rows: Sequence[str] | None = None
) -> Plan:
    """The plan of a run's configuration, with other seeds or rows if they are given.

    Raises:
        UserError: a level, a row or a number of seeds that there is not.
    """
    measured = config.get("evaluate") or default_settings()
    if rows is not None:
        measured = measured.copy_and_resolve_references()
        measured[level].rows = tuple(rows)
    plan = make_plan(measured, level)
    if seeds is None:
        return plan
    if seeds < 1:
        raise UserError(f"--seeds={seeds}: give 1 or more")
    return replace(plan, seeds=seeds)


def evaluate_and_print(
    workdir: str | Path,
    level: str = "full",
    seeds: int | None = None,
    rows: Sequence[str] | None = None,
    choose_anew: bool = False,
) -> None:
    """`evaluate_run`, with its lines and its table on the terminal."""
    report = evaluate_run(workdir, level, seeds, _print, rows, choose_anew)
    if report["estimators"]:
        Console(highlight=False, soft_wrap=True).print(table(report))
    for line in summary(report):
        _print(line)
    _print(f"written to {Path(workdir) / FILE}")


def _print(line: str) -> None:
    print(line, flush=True)
