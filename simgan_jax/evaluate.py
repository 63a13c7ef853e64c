"""The report on a run: estimators, label preservation, realism, and which checkpoint to use.

    python -m simgan_jax.evaluate --workdir=runs/gaze [--level=quick] [--seeds=5]

Writes evaluation.json, evaluation/*.png and chosen.json into the run's folder. Labels of the test set
are used for nothing but tests; the checkpoint is chosen without any label of a real image.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags
from jaxtyping import Shaped
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from simgan_jax import command, data, estimate, figures, parallel
from simgan_jax.checkpoint import Checkpoints, read_config
from simgan_jax.data import Arrays
from simgan_jax.data.depth import measured_depth
from simgan_jax.errors import UserError
from simgan_jax.images import match_histograms, to_unit
from simgan_jax.metrics import keypoints, label_shift, two_sample
from simgan_jax.metrics.intervals import interval, mean_interval, resampled_means
from simgan_jax.metrics.kid import features, kid
from simgan_jax.metrics.two_sample import Budget
from simgan_jax.models import Discriminator
from simgan_jax.refining import load_refiner
from simgan_jax.setup import make_setup

FILE, CHOSEN, FOLDER = "evaluation.json", "chosen.json", "evaluation"
# Share of images whose content must be found again for a label shift to count.
LEAST_FOLLOWED = 0.9
PAPER_SHIFT = {"mean": 1.1, "std": 0.8, "width": 55}
ROWS = ("synthetic", "refined", "real")
# What can be done without a network: synthetic images with the grey values of real ones.
MATCHED = "matched"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rows: estimators: "synthetic", "matched" (synthetic with the grey values of real images:
            what can be done without a network), "refined" or "real" (labelled real images: the
            ceiling), perhaps followed by "_4x" (four times the images), perhaps by "_augmented".
        seeds: estimators trained a row.
        images: training images a row (four times as many with "_4x"); fewer where there are fewer.
        probe: images, apart from the former, on which realism and label shift are measured.
        discriminator_steps: updates of a fresh discriminator.
        whole_image: whether a fresh discriminator of whole images is trained as well.
        estimator: training of the estimators.
    """

    rows: tuple[str, ...]
    seeds: int
    images: int
    probe: int
    discriminator_steps: int
    whole_image: bool
    estimator: estimate.Settings


def settings() -> ConfigDict:
    """The group `evaluate` of a configuration.

    "quick" ends a run in two minutes on two CPU cores, "full" takes about half an hour there. The
    paper's estimator is `estimator.width = 1`, its hourglass `features = 256, stacks = 2`.
    """
    c = ConfigDict()
    c.estimator = ConfigDict(asdict(estimate.Settings()))
    c.quick = ConfigDict()
    c.quick.rows = (*ROWS, MATCHED, "synthetic_augmented")
    c.quick.seeds = 1
    c.quick.images = 6000
    c.quick.probe = 500
    c.quick.discriminator_steps = 150
    c.quick.whole_image = False
    c.quick.estimator_steps = 2500
    c.full = ConfigDict()
    c.full.rows = (
        *(row + suffix for suffix in ("", "_augmented") for row in (*ROWS, MATCHED)),
        "synthetic_4x",
        "refined_4x",
    )
    c.full.seeds = 3
    c.full.images = 8000
    c.full.probe = 1000
    c.full.discriminator_steps = 300
    c.full.whole_image = True
    c.full.estimator_steps = 8000
    return c


def make_plan(config: Mapping[str, Any], level: str) -> Plan:
    """The plan of a level.

    Args:
        config: the group `evaluate` of a configuration, see `settings`.
        level: "quick" or "full".

    Raises:
        UserError: no such level, row or setting.
    """
    if level not in ("quick", "full"):
        raise UserError(f"--level={level}: there are quick and full")
    chosen = dict(config[level])
    estimator = estimate.make_settings(dict(config["estimator"]))
    estimator = replace(estimator, steps=chosen.pop("estimator_steps"))
    chosen["rows"] = tuple(chosen["rows"])
    for row in chosen["rows"]:
        if row not in {
            f"{base}{size}{aug}"
            for base in (*ROWS, MATCHED)
            for size in ("", "_4x")
            for aug in ("", "_augmented")
        }:
            raise UserError(
                f"config.evaluate.{level}.rows: {row!r}; a row is one of {', '.join(ROWS)}, "
                f"{MATCHED}, perhaps with _4x, perhaps with _augmented"
            )
    return Plan(estimator=estimator, **chosen)


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
    mean_of = labelled if estimate.has_label(task, labelled) and len(labelled) else trained
    result |= judge_rows(task, estimators, mean_of, test)
    result["skipped"] = skipped
    name = "synthetic_augmented" if "synthetic_augmented" in estimators else "synthetic"
    if name in estimators:
        drift = prediction_drift(task, estimators[name][0], probe.images, refined_probe)
        result["label_shift"]["estimate"] = {"estimator": name} | drift
    return result


def train_rows(
    plan: Plan,
    task: str,
    synthetic: Arrays,
    refine: Callable[[np.ndarray], np.ndarray],
    real: Shaped[np.ndarray, "m h w c"],
    labelled: Arrays,
    seed: int = 0,
    say: Say = lambda line: None,
) -> tuple[dict[str, list[estimate.Estimator]], dict[str, str]]:
    """Trains the estimators of every row of the plan that there is data for.

    Returns:
        The estimators of each row, one a seed; and why the rows that are left out are.
    """
    count = min(plan.images, len(synthetic))
    most = max([4 * count if "_4x" in row else count for row in plan.rows], default=count)
    drawn = synthetic[: min(most, len(synthetic))]
    sets = {"synthetic": drawn}
    bases = {row.split("_")[0] for row in plan.rows}
    if "refined" in bases:
        sets["refined"] = Arrays(refine(drawn.images), drawn.labels)
    if MATCHED in bases:
        sets[MATCHED] = Arrays(match_histograms(drawn.images, real, seed), drawn.labels)
    if estimate.has_label(task, labelled) and len(labelled):
        sets["real"] = labelled
    wanted, skipped = {}, {}
    for row in plan.rows:
        base, size = row.split("_")[0], 4 * count if "_4x" in row else count
        if base not in sets:
            skipped[row] = f"the real images have no label {estimate.TASKS[task].label!r}"
            if estimate.has_label(task, labelled):
                skipped[row] = "all labelled real images are in the test set"
        elif "_4x" in row and len(sets[base]) < size:
            skipped[row] = f"{len(sets[base])} images, {size} would be needed"
        else:
            # Photographs lie person by person.
            wanted[row] = spread(sets[base], size) if base == "real" else sets[base][:size]

    def train_one(job: tuple[str, int]) -> estimate.Estimator:
        row, i = job
        start = time.perf_counter()
        augmented = row.endswith("_augmented")
        own = seed * plan.seeds + i  # so that no two runs share an estimator's seed
        estimator = estimate.train(task, wanted[row], plan.estimator, own, augmented)
        say(
            f"estimator {row}, seed {i + 1} of {plan.seeds}: {min(estimator.validation):.2f} "
            f"{estimate.TASKS[task].unit} on its own domain ({time.perf_counter() - start:.0f} s)"
        )
        return estimator

    jobs = [(row, i) for row in wanted for i in range(plan.seeds)]
    trained = dict(zip(jobs, parallel.each_on_a_device(train_one, jobs), strict=True))
    estimators = {row: [trained[row, i] for i in range(plan.seeds)] for row in wanted}
    return estimators, skipped


def without(images: Arrays, others: Arrays) -> Arrays:
    """The images that are not, pixel by pixel, among the others."""
    known = {hashlib.sha256(image.tobytes()).digest() for image in others.images}
    kept = [hashlib.sha256(image.tobytes()).digest() not in known for image in images.images]
    return images if all(kept) else images[np.array(kept)]


def spread(images: Arrays, count: int) -> Arrays:
    """So many of them at equal distances, or all if there are fewer."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]


def judge_rows(
    task: str,
    estimators: Mapping[str, Sequence[estimate.Estimator]],
    mean_of: Arrays,
    test: Arrays,
) -> dict[str, Any]:
    """Tests every row on the test set.

    Args:
        task: a name of `estimate.TASKS`.
        estimators: of each row, one a seed.
        mean_of: labelled set, not the test set, whose mean label is the floor.
        test: labelled real images.

    Returns:
        "estimators" (rows as of `estimate.score`, and "own_error" on the part of their own training
        set that stopped them early), "gap_closed" and "gain" with their intervals.
    """
    predictions = {row: [one(test.images) for one in many] for row, many in estimators.items()}
    floor = [estimate.mean_prediction(task, mean_of, len(test))]
    rows = {row: estimate.score(task, p, test) for row, p in predictions.items()}
    for row, many in estimators.items():
        rows[row]["own_error"] = float(np.mean([min(one.validation) for one in many]))
    rows["mean_predictor"] = estimate.score(task, floor, test) | {"std": 0.0}
    errors = {row: estimate.per_image_errors(task, p, test) for row, p in predictions.items()}
    return {"estimators": rows, "test_images": len(test)} | compare(errors, estimate.people(test))


def compare(
    errors: Mapping[str, Shaped[np.ndarray, "n"]], groups: Shaped[np.ndarray, "n"] | None = None
) -> dict[str, Any]:
    """What refinement gains, with bootstrap intervals of the paired differences.

    Args:
        errors: mean error over seeds of every test image, by row.
        groups: persons of the test images.

    Returns:
        "gain" = 1 - refined / synthetic, "gap_closed" = (synthetic - refined) / (synthetic - real),
        None where a row is missing or real is no better than synthetic; the same of the "_4x" and
        "_augmented" rows.
    """
    result = {}
    for suffix in ("", "_4x", "_augmented"):
        names = [f"{row}{suffix}" for row in ROWS]
        present = [name for name in names if name in errors]
        both = present[:2] == names[:2]
        if not suffix:
            result |= {"gain": None, "gap_closed": None}
        if not both:
            continue
        values = np.stack([errors[name] for name in present])
        means, samples = values.mean(1), resampled_means(values, groups)
        result[f"gain{suffix}"] = float(1 - means[1] / means[0])
        result[f"gain{suffix}_interval"] = interval(1 - samples[:, 1] / samples[:, 0])
        if len(present) == 3 and means[0] > means[2]:
            result[f"gap_closed{suffix}"] = float((means[0] - means[1]) / (means[0] - means[2]))
            gap = samples[:, 0] - samples[:, 2]
            # Samples without a gap have no share of it; where they are many, neither has the interval.
            share = (samples[:, 0] - samples[:, 1]) / np.where(gap > 0, gap, np.nan)
            if np.isfinite(share).mean() > 0.95:
                result[f"gap_closed{suffix}_interval"] = interval(share[np.isfinite(share)])
    return result


def measure_shift(before: Arrays, after: Shaped[np.ndarray, "n h w c"]) -> label_shift.Shift:
    """Motion of the labelled content from synthetic to refined images."""
    window = label_shift.window(before.labels, before.images.shape[:3])
    shift = _measure(to_unit(before.images), to_unit(after), window)
    return label_shift.Shift(*map(np.asarray, shift))


def measure_corners(before: Arrays, after: Shaped[np.ndarray, "n h w c"]) -> dict[str, Any]:
    """How the lids' edges and the corners of eyes move, on both sides of the iris.

    The shift of the iris alone says nothing of them; an estimator reads gaze from both.

    Returns:
        "left" and "right": mean motion (x right, y down) in pixels of what lies on that side.
    """
    width = before.images.shape[2]
    around = (before.labels["eye_mask"] > 0) & (before.labels["iris_mask"] == 0)
    offset = np.arange(width) - before.labels["pupil"][:, :1]
    reach = 5 * width / 55
    sides = {"left": offset < -reach, "right": offset > reach}
    units = to_unit(before.images), to_unit(after)
    result = {}
    for name, side in sides.items():
        shift = _measure(*units, (around & side[:, None]).astype(np.float32))
        followed = np.asarray(shift.xy)[np.asarray(shift.fit) >= label_shift.FIT]
        result[name] = followed.mean(0).tolist() if len(followed) else [float("nan")] * 2
    return result


def summarize_shift(shift: label_shift.Shift, before: Arrays, seed: int = 0) -> dict[str, Any]:
    """`label_shift.summarize`, with an interval of the mean and the paper's figure beside it."""
    summary = label_shift.summarize(shift, before.images.shape[2])
    followed = shift.xy[shift.fit >= label_shift.FIT]
    if len(followed):
        summary["interval"] = mean_interval(np.linalg.norm(followed, axis=-1), seed=seed)
    return summary | {"images": len(before), "paper": PAPER_SHIFT}


def prediction_drift(
    task: str,
    estimator: estimate.Estimator,
    before: Shaped[np.ndarray, "n h w c"],
    after: Shaped[np.ndarray, "n h w c"],
) -> dict[str, Any]:
    """How a frozen estimator's predictions move under refinement, signed, in the task's unit."""
    kind = estimate.TASKS[task]
    predicted = estimator(before), estimator(after)
    distance = kind.errors(predicted[1], predicted[0])
    signed = kind.signed(predicted[1], predicted[0])
    return {
        "unit": kind.unit,
        "mean": float(distance.mean()),
        "std": float(distance.std()),
        "axes": {
            name: {"bias": float(signed[:, i].mean()), "std": float(signed[:, i].std())}
            for i, name in enumerate(kind.axes)
        },
    }


def measure_realism(
    plan: Plan,
    synthetic: Shaped[np.ndarray, "n h w c"],
    refined: Shaped[np.ndarray, "n h w c"],
    real: Shaped[np.ndarray, "m h w c"],
    network: Discriminator,
    seed: int = 0,
) -> dict[str, Any]:
    """How far synthetic and refined images are from real ones; see `metrics`.

    Every figure of two sets comes for "synthetic" and "refined"; KID and sliced Wasserstein distance
    come for "real" too, between two halves of the real images: what sampling alone makes.
    """
    order = np.random.default_rng(seed).permutation(len(real))[: 2 * len(synthetic)]
    real = real[np.sort(order)]
    shuffled = np.random.default_rng(seed).permutation(len(real))
    halves = real[shuffled[: len(real) // 2]], real[shuffled[len(real) // 2 :]]
    pairs = {"synthetic": (synthetic, real), "refined": (refined, real), "real": halves}
    kids = {name: kid(features(a), features(b), seed=seed) for name, (a, b) in pairs.items()}
    patches = two_sample.random_patches
    swd = {
        name: two_sample.sliced_wasserstein(
            patches(a, seed=seed), patches(b, seed=seed + 1), seed=seed
        )
        for name, (a, b) in pairs.items()
    }
    frequency, real_power = two_sample.power_spectrum(real)
    power = {
        name: two_sample.power_spectrum(pairs[name][0])[1] for name in ("synthetic", "refined")
    }
    result = {
        "kid": kids["refined"]["value"],
        "kid_interval": kids["refined"]["interval"],
        "kid_synthetic": kids["synthetic"]["value"],
        "kid_synthetic_interval": kids["synthetic"]["interval"],
        "kid_real": kids["real"]["value"],
        "sliced_wasserstein": swd,
        "spectrum_db": {n: two_sample.spectrum_distance(p, real_power) for n, p in power.items()},
        "spectrum": {"frequency": frequency.tolist(), "real": real_power.tolist()}
        | {name: p.tolist() for name, p in power.items()},
    }
    micro_batch = 8 if jax.default_backend() == "cpu" else 0
    budget = Budget(plan.discriminator_steps, micro_batch=micro_batch)
    kinds = {"discriminator_accuracy": False}
    if plan.whole_image:
        kinds["whole_image_accuracy"] = True
    for key, whole_image in kinds.items():
        judge = partial(
            two_sample.discriminator_accuracy,
            real,
            budget=budget,
            whole_image=whole_image,
            network=network,
            seed=seed,
        )
        found = parallel.each_on_a_device(judge, (synthetic, refined))
        found = dict(zip(("synthetic", "refined"), found, strict=True))
        result[key] = {name: x["accuracy"] for name, x in found.items()}
        result[f"{key}_interval"] = {name: x["interval"] for name, x in found.items()}
    return result


class Candidate(NamedTuple):
    """What may be known of a checkpoint without labels of real images.

    Attributes:
        step: of the run.
        kid: to the real images; lower is more real.
        label_shift: mean motion in pixels at a width of 55.
        followed: share of the images in which it could be measured.
    """

    step: int
    kid: float
    label_shift: float
    followed: float = 1.0


def select(candidates: Sequence[Candidate], largest_shift: float = label_shift.LARGEST) -> int:
    """Index of the checkpoint to use: the most real of those that keep their labels.

    Those whose content moves by no more than `largest_shift` compete by KID alone. If there is none,
    the one that moves least is taken. A shift that could not be measured (NaN), or in less than
    `LEAST_FOLLOWED` of the images, counts as too large.

    Args:
        candidates: at least one.
        largest_shift: pixels at a width of 55.
    """
    lost = [not c.followed >= LEAST_FOLLOWED for c in candidates]
    shifts = np.nan_to_num([c.label_shift for c in candidates], nan=np.inf)
    shifts = np.where(lost, np.inf, shifts)
    safe = shifts <= largest_shift
    if not safe.any():
        return int(np.argmin(shifts))
    return int(np.argmin(np.where(safe, [c.kid for c in candidates], np.inf)))


def judge_checkpoints(
    workdir: str | Path, synthetic: Arrays, real: Shaped[np.ndarray, "n h w c"]
) -> list[Candidate]:
    """KID and label shift of every checkpoint that a run has kept.

    Those of pre-training are left out where there are others: no discriminator has taught them.
    """
    train = read_config(workdir).train
    steps = Checkpoints(workdir).steps()
    taught = [x for x in steps if x > train.pretrain_refiner + train.pretrain_discriminator]
    real_features = features(real)
    candidates = []
    for step in taught or steps:
        refined = load_refiner(workdir, step)(synthetic.images)
        shift = label_shift.summarize(measure_shift(synthetic, refined), synthetic.images.shape[2])
        distance = kid(features(refined), real_features, resamples=2)["value"]
        moved = shift.get("mean_at_55", float("nan"))
        candidates.append(Candidate(step, distance, moved, shift["followed"]))
    return candidates


def choose(workdir: str | Path, synthetic: Arrays, real: Arrays, probe: int = 500) -> int:
    """Chooses a run's checkpoint by `select`, writes chosen.json, and returns its step.

    Raises:
        UserError: there is no checkpoint.
    """
    count = min(probe, len(synthetic) // 4)
    candidates = judge_checkpoints(workdir, synthetic[-count:], spread(real, count).images)
    if not candidates:
        raise UserError(f"{workdir}: no checkpoint yet; train first: python -m simgan_jax.main")
    chosen = candidates[select(candidates)]
    limit = f"at most {label_shift.LARGEST} px at 55 px width"
    rule = f"lowest KID among those that shift labels by {limit}"
    if not chosen.label_shift <= label_shift.LARGEST:
        rule = f"smallest label shift: none is {limit}"
    content = {"step": chosen.step, "rule": rule, "candidates": [c._asdict() for c in candidates]}
    _write(Path(workdir) / CHOSEN, content)
    return chosen.step


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
        estimate.label_of(config.task, synthetic, "config.data.synthetic")
        estimate.label_of(config.task, test, "config.data.test")
    labelled = data.load(config.data.labelled) if config.data.get("labelled") else None
    step = choose(workdir, synthetic, real)
    rule = json.loads((workdir / CHOSEN).read_text())["rule"]
    say(f"checkpoint {step} chosen by realism and label shift: {rule}")
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
    report["candidates"] = json.loads((workdir / CHOSEN).read_text())["candidates"]
    report["seconds"] = round(time.perf_counter() - start, 1)
    _write(workdir / FILE, report)
    figures.draw(report, workdir / FOLDER)
    return report


def table(report: Mapping[str, Any]) -> Table:
    """The report's estimators for a terminal."""
    rows = report["estimators"]
    unit = next((row["unit"] for row in rows.values()), "")
    result = Table(title=f"Error on real test images ({unit}), {report['seeds']} seed(s)")
    for name in ("trained on", "error", "95 % interval", "over seeds", "within", "bias"):
        result.add_column(name, justify="left" if name == "trained on" else "right")
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["error"]):
        low, high = row["interval"]
        bias = ", ".join(f"{axis} {x['bias']:+.2f}" for axis, x in row["axes"].items())
        spread = "" if row["std"] is None else f"± {row['std']:.2f}"
        result.add_row(
            name.replace("_", " "),
            f"{row['error']:.2f}",
            f"{low:.2f} to {high:.2f}",
            spread,
            f"{row['within']:.1%} ({row['threshold']:g})",
            bias,
        )
    return result


def summary(report: Mapping[str, Any]) -> list[str]:
    """What the table does not say, a line each."""
    shift, realism = report["label_shift"], report["realism"]
    lines = []
    if report.get("gain") is not None:
        low, high = report["gain_interval"]
        lines.append(
            f"refined against synthetic: {report['gain']:+.1%} ({low:+.1%} to {high:+.1%})"
        )
    if report.get("gap_closed") is not None:
        lines.append(f"gap to real closed: {report['gap_closed']:.0%}")
    errors = {name: row["error"] for name, row in report["estimators"].items()}
    floor = errors.pop("mean_predictor", None)
    if errors and floor is not None and min(errors.values()) >= floor:
        lines.append("no row beats the mean label: these estimators have learned nothing yet")
    lines += [f"row {name} left out: {why}" for name, why in report.get("skipped", {}).items()]
    lines.append(
        f"label shift {shift['mean']:.2f} ± {shift['std']:.2f} px, drift x {shift.get('dx', 0):+.2f}, "
        f"y {shift.get('dy', 0):+.2f} (paper: 1.1 ± 0.8 px at 55 px)"
    )
    if corners := shift.get("corners"):
        moved = ", ".join(f"{side} x {x:+.2f}, y {y:+.2f}" for side, (x, y) in corners.items())
        lines.append(f"corners of the eyes: {moved} px")
    if surface := shift.get("surface_mm"):
        lines.append(
            f"surface above joints: {surface['median']:+.2f} mm deeper, quartiles "
            f"{surface['quartiles'][0]:+.2f} and {surface['quartiles'][1]:+.2f}; {surface['lost']:.1%} "
            f"of {surface['joints']} lost"
        )
    accuracy = realism["discriminator_accuracy"]
    lines.append(
        f"fresh patch discriminator: {accuracy['synthetic']:.1%} on synthetic, "
        f"{accuracy['refined']:.1%} on refined; KID {realism['kid_synthetic']:.3f} to "
        f"{realism['kid']:.3f} (two halves of the real images: {realism['kid_real']:.3f})"
    )
    return lines


_measure = parallel.compile(label_shift.measure)


def _enlarged(spec: ConfigDict, plan: Plan) -> dict[str, Any]:
    """The synthetic set's specification, with the images that "_4x" needs if it is a generator's."""
    spec = dict(spec)
    if "count" in spec and any("_4x" in row for row in plan.rows):
        spec["count"] = max(spec["count"], 4 * min(plan.images, spec["count"]) + plan.probe)
    return spec


def _write(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(path)


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


def main(argv: Sequence[str]) -> None:
    """Measures the run of --workdir."""
    del argv
    parallel.cores_as_devices()
    evaluate_and_print(flags.FLAGS.workdir, flags.FLAGS.level, flags.FLAGS.seeds)


if __name__ == "__main__":
    flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
    flags.DEFINE_string("level", "full", "quick or full, see config.evaluate.")
    flags.DEFINE_integer("seeds", None, "Estimators a row, instead of the level's number.")
    command.run(main)
