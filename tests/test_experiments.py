"""Every experiment can be imported, and what their programs share with no other test runs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from test_choice import brighter, make_run, same
from tiny import environment

EXPERIMENTS = sorted(
    path.parent.name for path in (Path(__file__).parents[1] / "experiments").glob("*/__main__.py")
)
# Several experiments have a flag of one name: each is imported with none defined.
IMPORTS = """
import importlib, sys
from absl import flags
for name in sys.argv[1:]:
    flags.FLAGS.remove_flag_values(list(flags.FLAGS))
    importlib.import_module(f"experiments.{name}.__main__")
"""
CHECKPOINTS = """
import json, sys
from absl import flags
from experiments.checkpoint_choice import __main__ as experiment
flags.FLAGS(["experiment", "--quick"])
print(json.dumps(experiment.test_checkpoints(sys.argv[1])))
"""


def program(text: str, *arguments: str) -> str:
    """What a program prints, in an interpreter of its own."""
    command = [sys.executable, "-c", text, *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_experiment_can_be_imported():
    assert "checkpoint_choice" in EXPERIMENTS
    program(IMPORTS, *EXPERIMENTS)


def test_every_checkpoint_is_tested_beside_what_the_choice_saw(tmp_path):
    make_run(tmp_path, {1: same, 2: brighter})
    found = json.loads(program(CHECKPOINTS, str(tmp_path)).splitlines()[-1])
    assert found["chosen"] == 1
    assert [c["step"] for c in found["candidates"]] == [1, 2]
    errors = {c["step"]: c["errors"] for c in found["candidates"]}
    assert all(len(each) == 2 for each in errors.values())
    means = {step: np.mean(each) for step, each in errors.items()}
    assert found["best"] == min(means, key=means.get)
    assert found["lost"] == means[1] - min(means.values())
