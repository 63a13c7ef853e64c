"""The first command of the README, with several seeds of everything.

    python -m experiments.default_run [--seeds=3] [--variant=]

A run of configs/gaze.py a seed, evaluated as that command does, in runs/experiments/default_run;
what is finished is not done again. Writes result.json beside this file, and curves.png, the cumulative
errors. --variant takes another of configs/gaze.py: tiny shows that it works.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from configs.gaze import get_config
from experiments import summary
from experiments.flags import command_line
from experiments.machine import machine
from simgan_jax import command
from simgan_jax.evaluation import figures
from simgan_jax.evaluation.run import FILE, evaluate_and_print
from simgan_jax.io.atomic import read_json, write_json
from simgan_jax.setup import make_setup
from simgan_jax.training import devices
from simgan_jax.training.loop import train
from simgan_jax.training.provenance import devices_used

SEEDS = flags.DEFINE_integer("seeds", 3, "Runs.")
VARIANT = flags.DEFINE_string("variant", "", "Of configs/gaze.py.")
OUTPUT = flags.DEFINE_string(
    "output", str(Path(__file__).parent / "result.json"), "The file to write."
)
RUNS = Path("runs/experiments/default_run")


def main(argv: Sequence[str]) -> None:
    """Trains, evaluates, summarises."""
    del argv
    devices.cores_as_devices(make_setup(get_config(VARIANT.value)))
    folders = [run(seed) for seed in range(SEEDS.value)]
    reports = [read_json(folder / FILE) for folder in folders]
    found = summary.summarize([summary.figures_of(report) for report in reports])
    result = {
        "command": command_line("default_run"),
        "machine": machine(),
        "trained_on": [devices_used(read_json(x / "environment.json")) for x in folders],
        "figures": found,
        "comparisons": summary.comparisons(found),
    }
    write_json(OUTPUT.value, result)
    curves = figures.mean_curves([report["estimators"] for report in reports])
    figures.cumulative(curves).savefig(Path(OUTPUT.value).with_name("curves.png"), dpi=120)
    print(json.dumps(result["comparisons"], indent=2))


def run(seed: int) -> Path:
    """The folder of a finished run."""
    config = get_config(VARIANT.value)
    config.seed = seed
    folder = RUNS / f"{config.name}-{seed}"
    if not (folder / FILE).exists():
        if not train(config, folder):
            raise KeyboardInterrupt
        evaluate_and_print(folder, "quick")
    return folder


if __name__ == "__main__":
    command.run(main)
