"""How the experiments go about it.

An experiment is a set of variants, each a configuration. Every variant is trained with several GAN
seeds; the seed of a run is that of its estimators too. Of each run

- the checkpoint is chosen by the rules of `choice.select`, with no label of a real image;
- estimators are trained on synthetic, on refined and on labelled real images (the ceiling), each
  without and with augmentation, and on synthetic images with the grey values of real ones (what can
  be done without a network), all with the same settings; they stop early by a part of their own
  training set;
- the test set is looked at once a run, at its end.

A figure is the mean over GAN seeds, "a ± b" that mean and the sample standard deviation over the seeds:
it says how much single runs differ, not how sure the mean is. Rows are compared seed by seed
(`experiments.paired`). Runs lie in runs/experiments/NAME/VARIANT-SEED with their own reports; a
finished one is not repeated, an interrupted one goes on.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from experiments import summary
from experiments.curves import write_curves
from experiments.flags import RUNS, require_known, results_folder
from experiments.gan_seeds import SEED, gan_seeds
from experiments.results import origin, stored, trained_on
from experiments.samples import write_samples
from experiments.sizes import level, size, sized
from simgan_jax import data
from simgan_jax.evaluation.image_split import spread
from simgan_jax.evaluation.plan import Row
from simgan_jax.evaluation.run import FILE, evaluate_and_print
from simgan_jax.io.atomic import write_json
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, provenance
from simgan_jax.training.loop import train

VARIANTS = flags.DEFINE_list(
    "variants", [], "The variants to run, separated by commas; all if none."
)

ROWS = (
    *(
        f"{base}{suffix}"
        for base in ("synthetic", "refined", "real")
        for suffix in ("", "_augmented")
    ),
    "matched",
)
PICTURES = 10


def run(
    name: str,
    variants: Mapping[str, ConfigDict],
    here: Path,
    show_real: bool = True,
    rows: Sequence[str] = ROWS,
    longer: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """Trains and evaluates every variant with every seed; writes result.json and pictures.

    Variants that this call leaves out stay in result.json as they are. samples.png shows images of
    every variant of this call, curves.png the first one's cumulative errors.

    Args:
        name: of the experiment, a module of experiments/.
        variants: a configuration for each; all of one task and one synthetic set.
        here: folder of the results; with --quick they go to `results_folder`.
        show_real: whether real images may be in the picture; others' photographs may not.
        rows: of the estimator table.
        longer: of variants that try just this, how many times as many iterations they take.

    Returns:
        As in result.json: "variants" has of each the figures of `summary.summarize`, "comparisons" what
        its rows differ by (`paired.compare_rows`), "runs" how it came by them: command, machine, number
        of seeds, devices trained on.

    Raises:
        UserError: an unknown variant, or flags that contradict each other.
    """
    require_known(VARIANTS, variants)
    variants = {name: sized(x, rows, longer.get(name, 1)) for name, x in variants.items()}
    wanted = [variant for variant in variants if variant in (VARIANTS.value or variants)]
    runs = Runs(RUNS / name / size(), same_images(variants))
    devices.cores_as_devices(*(make_setup(variants[variant]) for variant in wanted))
    if jax.default_backend() != "cpu":
        for config in variants.values():
            config.train.micro_batch = 0
    seeds = gan_seeds()
    train_all(runs, {variant: variants[variant] for variant in wanted}, seeds)
    if SEED.value is not None:
        return {}
    here = results_folder(here)
    file = here / "result.json"
    result = {"runs": {}, "variants": {}, "comparisons": {}} | stored(file)
    about = origin(name) | {"seeds": len(seeds)}
    for variant in wanted:
        reports = gather(runs, variant, seeds)
        found = summary.summarize([summary.figures_of(report) for report in reports])
        result["variants"][variant] = found
        result["comparisons"][variant] = summary.comparisons(found)
        used = [trained_on(runs.workdir(variant, seed)) for seed in seeds]
        result["runs"][variant] = about | {"trained_on": used}
    of = f"{len(seeds)} GAN seed(s)"
    summary.show(
        f"{name}: mean ± standard deviation, shares with 95 % interval, over {of}", result, wanted
    )
    write_json(file, result)
    first = gather(runs, wanted[0], seeds)
    write_curves(here / "curves.png", [report["estimators"] for report in first])
    draw_samples({variant: runs.workdir(variant, 0) for variant in wanted}, here, show_real)
    return result


class Runs(NamedTuple):
    """The runs of an experiment.

    Attributes:
        folder: of all of them.
        shared: of `same_images`.
    """

    folder: Path
    shared: Mapping[str, Mapping[str, Sequence[str]]]

    def workdir(self, variant: str, seed: int) -> Path:
        """Of one run."""
        return self.folder / f"{variant}-{seed}"


def train_all(runs: Runs, variants: Mapping[str, ConfigDict], seeds: Sequence[int]) -> None:
    """Trains and evaluates what is not finished, but for the rows that others have trained.

    Seed by seed, so that an interrupted experiment has all variants of the first seeds. The row that
    reads what refining does to labels is trained in every run.
    """
    for seed in seeds:
        for variant, config in variants.items():
            folder = runs.workdir(variant, seed)
            config.seed = seed
            provenance.claim(folder, config)
            if (folder / FILE).exists():
                continue
            if not train(config, folder):
                raise KeyboardInterrupt
            known = borrowed_rows(runs, variant, seed)
            reader = (
                "matched_augmented" if config.data.histogram_matching else "synthetic_augmented"
            )
            missing = [
                row for row in config.evaluate[level()].rows if row not in known or row == reader
            ]
            evaluate_and_print(folder, level(), rows=missing)


def borrowed_rows(runs: Runs, variant: str, seed: int) -> dict[str, Any]:
    """Rows on the same images that runs of other variants have trained, with the same seed."""
    rows: dict[str, Any] = {}
    for base, others in runs.shared[variant].items():
        for file in (runs.workdir(other, seed) / FILE for other in others):
            if file.exists():
                known = json.loads(file.read_text())["estimators"]
                found = {name: Row.find(name) for name in known}
                rows = {x: known[x] for x, row in found.items() if row and row.base == base} | rows
    return rows


def gather(runs: Runs, variant: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The reports of a variant, one a seed, with the rows that it has borrowed."""
    reports = []
    for seed in seeds:
        report = json.loads((runs.workdir(variant, seed) / FILE).read_text())
        report["estimators"] = borrowed_rows(runs, variant, seed) | report["estimators"]
        reports.append(report)
    return reports


def same_images(variants: Mapping[str, ConfigDict]) -> dict[str, dict[str, list[str]]]:
    """For each variant and base but the refined ones who else trains on the same images."""
    bases = ("synthetic", "matched", "fda", "real")

    def sources(config: ConfigDict, base: str) -> str:
        parts = {
            "synthetic": [config.data.synthetic],
            "matched": [config.data.synthetic, config.data.real],
            "fda": [config.data.synthetic, config.data.real],
            "real": [config.data.get("labelled") or config.data.real],
        }[base]
        return json.dumps([part.to_dict() for part in parts], sort_keys=True, default=str)

    return {
        variant: {
            base: [
                other
                for other in variants
                if other != variant
                and sources(variants[other], base) == sources(variants[variant], base)
            ]
            for base in bases
        }
        for variant in variants
    }


def draw_samples(workdirs: Mapping[str, Path], here: Path, show_real: bool) -> None:
    """Writes samples.png: of every variant synthetic images, unless shown, and refined; real images.

    Real images are those that trained the discriminator: no test image is shown.
    """
    rows = []
    for workdir in workdirs.values():
        config = provenance.read_config(workdir)
        synthetic = data.load(config.data.synthetic).images[-PICTURES:]
        if not any(np.array_equal(synthetic, row) for row in rows):
            rows.append(synthetic)
        rows.append(load_refiner(workdir)(synthetic))
    if show_real:
        rows.append(spread(data.load(config.data.real), PICTURES).images)
    write_samples(here, rows)
