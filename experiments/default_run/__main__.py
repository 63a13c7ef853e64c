"""The first command of the README, with several seeds of everything.

    python -m experiments.default_run [--seeds=3] [--quick]

A run of configs/gaze.py a seed, evaluated as that command does, in runs/experiments/default_run;
what is finished is not done again. Writes result.json beside this file, and curves.png, the cumulative
errors. --quick shows that it works: one run of configs/gaze.py:tiny.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from configs.gaze import get_config
from experiments import summary
from experiments.curves import write_curves
from experiments.flags import QUICK, results_folder
from experiments.results import origin, trained_on
from experiments.seeds import how_many
from simgan_jax import command
from simgan_jax.evaluation.run import FILE, evaluate_and_print
from simgan_jax.io.atomic import read_json, write_json
from simgan_jax.setup import make_setup
from simgan_jax.training import devices
from simgan_jax.training.loop import train
from simgan_jax.training.provenance import claim

HERE = Path(__file__).parent
RUNS = Path("runs/experiments/default_run")
# As other experiments have it in result.json.
VARIANT = "default"


def main(argv: Sequence[str]) -> None:
    """Trains, evaluates, summarises."""
    del argv
    devices.cores_as_devices(make_setup(configuration(0)))
    folders = [run(seed) for seed in range(how_many())]
    reports = [read_json(folder / FILE) for folder in folders]
    found = summary.summarize([summary.figures_of(report) for report in reports])
    about = origin("default_run") | {"seeds": len(folders)}
    about["trained_on"] = [trained_on(folder) for folder in folders]
    result = {
        "runs": {VARIANT: about},
        "variants": {VARIANT: found},
        "comparisons": {VARIANT: summary.comparisons(found)},
    }
    here = results_folder(HERE)
    write_json(here / "result.json", result)
    write_curves(here / "curves.png", [report["estimators"] for report in reports])
    print(json.dumps(result["comparisons"][VARIANT], indent=2))


def configuration(seed: int) -> ConfigDict:
    """Of a run."""
    config = get_config("tiny" if QUICK.value else "")
    config.seed = seed
    return config


def run(seed: int) -> Path:
    """The folder of a finished run.

    Raises:
        UserError: it holds a run of another configuration.
    """
    config = configuration(seed)
    folder = RUNS / f"{config.name}-{seed}"
    claim(folder, config)
    if not (folder / FILE).exists():
        if not train(config, folder):
            raise KeyboardInterrupt
        evaluate_and_print(folder, "quick")
    return folder


if __name__ == "__main__":
    command.run(main)
