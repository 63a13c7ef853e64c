"""Measures a run, or a refiner on plain arrays, and writes evaluation.json and its figures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from rich.console import Console

from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.data.depth import measured_depth
from simgan_jax.errors import UserError
from simgan_jax.evaluation import figures, tasks
from simgan_jax.evaluation.choice import choose
from simgan_jax.evaluation.label_preservation import (
    measure_corners,
    measure_shift,
    prediction_drift,
    summarize_shift,
)
from simgan_jax.evaluation.plan import Plan, make_plan, settings
from simgan_jax.evaluation.realism import measure_realism
from simgan_jax.evaluation.rows import Say, judge_rows, train_rows, without
from simgan_jax.evaluation.summary import summary, table
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics import keypoints, two_sample
from simgan_jax.models import Discriminator
from simgan_jax.refinement.chosen_checkpoint import read_choice
from simgan_jax.refinement.refiner import load_refiner
from simgan_jax.setup import make_setup
from simgan_jax.training.checkpoint import read_config

FILE, FOLDER = "evaluation.json", "evaluation"


def evaluate(
    plan: Plan,
    task: str,
    synthetic: Arrays,
    refine: Callable[[np.ndarray], np.ndarray],
    real: Arrays,
    test: Arrays | None = None,
    labelled: Arrays | None = None,
    network: Discriminator = two_sample.NETWORK,
    seed: int = 0,
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Measures a refiner; what is in the report: docs/evaluation.md.

    Args:
        plan: how much.
        task: a name of `estimate.TASKS`, or "none".
        synthetic: images and labels of the simulator.
        refine: integer images to refined ones.
        real: images, for realism.
        test: labelled real images, used to test alone; None leaves the estimators out.
        labelled: real images whose labels, if any, the rows "real" alone use; by default `real`.
            Images of `test` among them are left out.
        network: architecture of the fresh discriminators.
        seed: of everything.
        say: gets a line when something has been measured.

    Raises:
        UserError: a label or images that the task needs are missing.
    """
    probe = synthetic[-min(plan.probe, len(synthetic) // 4) :]
    trained = synthetic[: len(synthetic) - len(probe)]
    refined_probe = refine(probe.images)
    result: dict[str, Any] = {"task": task, "seeds": plan.seeds, "label_shift": {}}
    shift = measure_shift(probe, refined_probe)
    result["label_shift"] = summarize_shift(shift, probe, seed)
    if {"eye_mask", "iris_mask", "pupil"} <= set(probe.labels):
        result["label_shift"]["corners"] = measure_corners(probe, refined_probe)
    if "centre_mm" in probe.labels and "joints_uvd" in probe.labels:
        depths = [
            measured_depth(x, probe.labels["centre_mm"]) for x in (probe.images, refined_probe)
        ]
        surface = keypoints.surface_shift(*depths, probe.labels["joints_uvd"])
        result["label_shift"]["surface_mm"] = surface
    say(f"label shift {result['label_shift']['mean']:.2f} px")
    result["realism"] = measure_realism(
        plan, probe.images, refined_probe, real.images, network, seed
    )
    accuracy = result["realism"]["discriminator_accuracy"]
    say(
        f"fresh discriminator {accuracy['synthetic']:.0%} on synthetic, {accuracy['refined']:.0%} on "
        "refined patches"
    )
    if test is None or task == "none":
        result["estimators"] = {}
        return result
    labelled = without(real if labelled is None else labelled, test)
    estimators, skipped = train_rows(plan, task, trained, refine, real.images, labelled, seed, say)
    mean_of = labelled if tasks.has_label(task, labelled) and len(labelled) else trained
    result |= judge_rows(task, estimators, mean_of, test)
    result["skipped"] = skipped
    name = "synthetic_augmented" if "synthetic_augmented" in estimators else "synthetic"
    if name in estimators:
        drift = prediction_drift(task, estimators[name][0], probe.images, refined_probe)
        result["label_shift"]["estimate"] = {"estimator": name} | drift
    return result


def evaluate_run(
    workdir: str | Path,
    level: str = "full",
    seeds: int | None = None,
    say: Say | None = None,
    rows: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Chooses a checkpoint of a run, measures it, writes the report and its figures.

    Args:
        workdir: of a run with at least one checkpoint.
        level: "quick" or "full".
        seeds: instead of the level's.
        say: gets a line when something has been measured.
        rows: instead of the level's.

    Raises:
        UserError: no run there, or data that the configuration names are missing or unlabelled.
    """
    say = say or (lambda line: None)
    workdir, start = Path(workdir), time.perf_counter()
    config = read_config(workdir)
    measured = config.get("evaluate") or settings()
    if rows is not None:
        measured[level].rows = tuple(rows)
    plan = make_plan(measured, level)
    if seeds is not None:
        if seeds < 1:
            raise UserError(f"--seeds={seeds}: give 1 or more")
        plan = replace(plan, seeds=seeds)
    synthetic = data.load(_enlarged(config.data.synthetic, plan))
    real = data.load(config.data.real)
    test = None
    if config.data.get("test") and config.task != "none":
        test = data.load(config.data.test)
        tasks.label_of(config.task, synthetic, "config.data.synthetic")
        tasks.label_of(config.task, test, "config.data.test")
    labelled = data.load(config.data.labelled) if config.data.get("labelled") else None
    step = choose(workdir, synthetic, real)
    choice = read_choice(workdir)
    say(f"checkpoint {step} chosen by realism and label shift: {choice['rule']}")
    report = {"level": level, "checkpoint": step} | evaluate(
        plan,
        config.task,
        synthetic,
        load_refiner(workdir, step),
        real,
        test,
        labelled,
        make_setup(config).discriminator,
        config.seed,
        say,
    )
    report["candidates"] = choice["candidates"]
    report["seconds"] = round(time.perf_counter() - start, 1)
    write_json(workdir / FILE, report)
    figures.draw(report, workdir / FOLDER)
    return report


def _enlarged(spec: ConfigDict, plan: Plan) -> dict[str, Any]:
    """The synthetic set's specification, with the images that "_4x" needs if it is a generator's."""
    spec = dict(spec)
    if "count" in spec and any("_4x" in row for row in plan.rows):
        spec["count"] = max(spec["count"], 4 * min(plan.images, spec["count"]) + plan.probe)
    return spec


def evaluate_and_print(
    workdir: str | Path,
    level: str = "full",
    seeds: int | None = None,
    rows: Sequence[str] | None = None,
) -> None:
    """`evaluate_run`, with its lines and its table on the terminal."""
    console = Console(highlight=False, soft_wrap=True)
    report = evaluate_run(workdir, level, seeds, partial(console.print, markup=False), rows)
    if report["estimators"]:
        console.print(table(report))
    for line in summary(report):
        console.print(line, markup=False)
    console.print(f"written to {Path(workdir) / FILE}", markup=False)
