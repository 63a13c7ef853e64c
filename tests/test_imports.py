"""What importing the paper's modules brings along, seen from a fresh interpreter."""

import json
import subprocess
import sys

import pytest

# Image files, checkpoints, logs, figures, statistics, data sets: not for a step on arrays.
HEAVY = {"PIL", "matplotlib", "orbax", "scipy", "tensorboardX", "tensorflow", "tensorflow_datasets"}
OWN = {
    *("errors", "history", "losses", "micro_batches", "models", "psi", "ranges", "setup"),
    *("shuffle", "state", "steps"),
}

# JAX and Flax are asked first: what they load and set is theirs.
PROGRAM = """
import json, sys, warnings
import flax.linen, jax, jaxtyping, ml_collections, optax
modules, filters = set(sys.modules), list(warnings.filters)
{}
print(json.dumps([sorted(set(sys.modules) - modules), filters == warnings.filters]))
"""


def effect(statement: str) -> tuple[set[str], bool]:
    """Modules that a statement adds, and whether the warnings' filters stay."""
    run = [sys.executable, "-c", PROGRAM.format(statement)]
    added, same = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    return set(added), same


@pytest.mark.parametrize(
    "statement", ["import simgan_jax.steps", "from simgan_jax import make_setup, train_step"]
)
def test_the_steps_bring_no_file_format_and_change_no_setting(statement):
    added, same = effect(statement)
    assert not {name.split(".")[0] for name in added} & HEAVY
    own = {name.split(".")[1] for name in added if name.startswith("simgan_jax.")}
    assert own == OWN
    assert same


def test_an_empty_import_loads_nothing_of_the_package():
    added, _ = effect("import simgan_jax")
    assert added == {"simgan_jax"}
