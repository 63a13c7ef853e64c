"""Who imports whom: what the paper's modules bring along in a fresh interpreter, and the layers."""

import ast
import graphlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import simgan_jax

# Image files, checkpoints, logs, figures, statistics, data sets: not for a step on arrays.
HEAVY = {"PIL", "matplotlib", "orbax", "scipy", "tensorboardX", "tensorflow", "tensorflow_datasets"}
OWN = {
    *("errors", "history", "losses", "gradients", "models", "psi", "ranges", "setup"),
    *("settings", "shuffle", "state", "steps"),
}

# Lowest first: each imports from its own and from those before. A package stands for all in it that is
# not named itself.
LAYERS = (
    {"configs", "errors", "history", "losses", "metrics", "models", "psi", "ranges", "shuffle"},
    {"gradients", "settings", "setup", "state", "steps"},
    {"command", "data", "estimators", "io"},
    {f"training.{x}" for x in ("checkpoint", "devices", "digest", "logs", "processes", "sampling")},
    {"refinement", "training"},
    {"evaluation", "reporting", "serving"},
    {
        *("__main__", "data.prepare", "demo", "doctor", "evaluate", "export", "main", "refine"),
        "report",
    },
)
LAYER = {part: i for i, parts in enumerate(LAYERS) for part in parts}
# Each stays in one file.
CONFINED = {
    "orbax": "training/checkpoint.py",
    "pmap": "training/devices.py",
    "shard_map": "training/devices.py",
    "device_put": "training/devices.py",
}
PACKAGE = Path(simgan_jax.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
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


def test_no_command_waits_for_what_it_may_not_need():
    verbs = ("main", "evaluate", "refine", "export", "report", "demo")
    added, _ = effect("import " + ", ".join(f"simgan_jax.{verb}" for verb in verbs))
    # Of scipy, these two take as long to import as JAX.
    assert not added & {"matplotlib", "scipy.signal", "scipy.stats", "flask", "tensorflow"}


def imports(tree: ast.AST) -> set[str]:
    """Modules that a file imports, wherever in it; a name in a package is its module if it has one."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & FILES.keys() or {node.module}
    return found


def part(module: str) -> str:
    """The part of the house that a module of it belongs to."""
    name = module.removeprefix("simgan_jax.")
    return name if name in LAYER else name.split(".")[0]


def edges() -> set[tuple[str, str]]:
    """Who imports whom among the parts of the house; the root has lazy names alone."""
    found = set()
    for module, path in FILES.items():
        names = imports(ast.parse(path.read_text()))
        assert not {name.split(".")[0] for name in names} & {"configs", "experiments"}, module
        found |= {(part(module), part(x)) for x in names if x.startswith("simgan_jax.")}
    return {(a, b) for a, b in found if a != b}


def test_every_file_has_its_layer_and_none_imports_upward():
    assert {part(module) for module in FILES.keys() - {"simgan_jax"}} == LAYER.keys()
    assert not {(a, b) for a, b in edges() if LAYER[a] < LAYER[b]}


def test_no_two_parts_of_the_house_import_each_other_in_a_circle():
    graph = graphlib.TopologicalSorter()
    for importer, imported in edges():
        graph.add(importer, imported)
    graph.prepare()  # raises on a circle


@pytest.mark.parametrize("word", CONFINED)
def test_an_outside_system_is_named_in_its_own_file_alone(word):
    users = set()
    for path in FILES.values():
        tree = ast.parse(path.read_text())
        names = {x.split(".")[0] for x in imports(tree)}
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}
        if word in names:
            users.add(path.relative_to(PACKAGE).as_posix())
    assert users <= {CONFINED[word]}


def test_no_file_has_more_than_300_lines():
    lengths = {module: len(path.read_text().splitlines()) for module, path in FILES.items()}
    assert not {module: lines for module, lines in lengths.items() if lines > 300}
