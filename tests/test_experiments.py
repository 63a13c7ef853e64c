"""Every experiment can be imported, and what their programs share with no other test runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absl.testing import flagsaver
from forks import Process
from test_choice import brighter, make_run, same
from tiny import environment

from experiments.default_run import __main__ as default_run
from experiments.flags import QUICK, results_folder
from simgan_jax.errors import UserError
from simgan_jax.evaluation.choice import choose
from simgan_jax.refinement.chosen_checkpoint import write_choice

CODE = Path(__file__).parents[1] / "experiments"
MODULES = sorted(
    ".".join(path.relative_to(CODE.parent).with_suffix("").parts)
    for path in CODE.glob("*/*.py")
    if "command.run(main)" in path.read_text()
)
# Several experiments have a flag of one name: each is imported with none defined, and anew what it
# shares with others. Told is what defines its flags.
IMPORTS = """
import importlib, json, sys
from absl import flags
definers = {}
for name in sys.argv[1:]:
    flags.FLAGS.remove_flag_values(list(flags.FLAGS))
    for imported in [x for x in sys.modules if x.startswith("experiments")]:
        del sys.modules[imported]
    importlib.import_module(name)
    definers[name] = sorted({flags.FLAGS.find_module_defining_flag(x) for x in flags.FLAGS})
print(json.dumps(definers))
"""
CHECKPOINTS = """
import json, sys
from absl import flags
from experiments.checkpoint_choice import __main__ as experiment
flags.FLAGS(["experiment", "--quick"])
print(json.dumps([experiment.test_checkpoints(workdir) for workdir in sys.argv[1:]]))
"""


def program(text: str, *arguments: str) -> str:
    """What a program prints, in an interpreter of its own."""
    command = [sys.executable, "-c", text, *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(arguments: list[Any], said: Path, folder: Path | None = None) -> str:
    """What a process prints that works in a folder."""
    process = Process(arguments, said, folder)
    assert process.wait() == 0, process.err
    return process.out


def test_every_experiment_can_be_imported_and_takes_no_flag_of_another():
    definers = json.loads(program(IMPORTS, *MODULES))
    assert "experiments.flags" in definers["experiments.checkpoint_choice.__main__"]
    for module, found in definers.items():
        others = {x for x in found if x.startswith("experiments.") and x.count(".") > 1}
        assert others <= {module}


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    """What is found of a run that has chosen 1, and of a copy that was reported with 2; the copy."""
    folder = tmp_path_factory.mktemp("checkpoints")
    chosen, reported = folder / "chosen", folder / "reported"
    choice = choose(chosen, *make_run(chosen, {1: same, 2: brighter}))
    shutil.copytree(chosen, reported)
    write_choice(reported, choice | {"step": 2})
    before = (reported / "chosen.json").read_text()
    out = run(["-c", CHECKPOINTS, chosen, reported], folder / "said")
    return *json.loads(out.splitlines()[-1]), reported, before


def test_every_checkpoint_is_tested_beside_what_the_choice_saw(tested):
    found, *_ = tested
    assert found["chosen"] == 1
    assert [c["step"] for c in found["candidates"]] == [1, 2]
    errors = {c["step"]: c["errors"] for c in found["candidates"]}
    assert all(len(each) == 2 for each in errors.values())
    means = {step: np.mean(each) for step, each in errors.items()}
    assert found["best"] == min(means, key=means.get)
    assert found["lost"] == means[1] - min(means.values())


def test_the_choice_that_a_run_was_reported_with_is_tested_and_left_alone(tested):
    _, found, reported, before = tested
    assert found["chosen"] == 2
    assert (reported / "chosen.json").read_text() == before


def test_results_lie_beside_the_code_and_of_quick_trials_below_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with flagsaver.as_parsed((QUICK, "false")):
        assert results_folder(CODE / "growth") == CODE / "growth"
    with flagsaver.as_parsed((QUICK, "true")):
        folder = results_folder(CODE / "growth")
    assert folder.resolve() == tmp_path / "runs" / "experiments" / "quick" / "growth"
    assert folder.is_dir()


def test_a_quick_trial_of_an_experiment_leaves_its_stored_results_alone(tmp_path):
    make_run(tmp_path / "run", {1: same})
    here = CODE / "refined_samples"
    before = {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()}
    command = ["-m", "experiments.refined_samples", "--quick", "--workdir=run"]
    run(command, tmp_path / "said", tmp_path)
    assert {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()} == before
    made = tmp_path / "runs" / "experiments" / "quick" / "refined_samples"
    assert sorted(path.name for path in made.iterdir()) == ["result.json", "samples.png"]


def test_the_accelerator_s_experiment_removes_nothing_that_it_did_not_make(tmp_path):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    command = ["-m", "experiments.accelerator", "--output=.", "--parts="]
    run(command, tmp_path / "said", tmp_path)
    assert (tmp_path / "runs" / "mine").is_dir()
    assert (tmp_path / "result.json").is_file()


def test_a_finished_run_of_other_settings_is_not_taken_for_the_default_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = default_run.RUNS / "gaze_tiny-0"
    make_run(folder, {1: same})
    (folder / default_run.FILE).write_text("{}")
    with flagsaver.as_parsed((QUICK, "true")), pytest.raises(UserError, match="another config"):
        default_run.run(0)
