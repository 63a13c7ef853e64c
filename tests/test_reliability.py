"""The promises of docs/reliability.md, some tried a little; experiments/reliability does it often."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from experiments.reliability import promises
from experiments.reliability.mutants import mutant
from experiments.reliability.outcome import Outcome

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "experiments" / "reliability" / "result.json"
NAMES = {
    *("kills", "crash_points", "damaged", "data_order", "same_seed", "failed_writes"),
    *("hostile_inputs", "hostile_artefacts", "two_processes", "two_at_once"),
}
# Those that need no process of a whole run, and how often.
HERE = {"damaged": 15, "data_order": 1, "hostile_inputs": 400, "hostile_artefacts": 100}


@pytest.mark.parametrize("name", HERE)
def test_a_promise_holds(name, tmp_path):
    outcome = Outcome()
    promises.test_of(name)(outcome, HERE[name], np.random.default_rng(1), tmp_path)
    assert outcome.held == outcome.tried > 0, outcome.faults


def test_every_promise_has_a_test_and_a_line_in_the_document():
    assert promises.PROMISES.keys() == NAMES
    document = (ROOT / "docs" / "reliability.md").read_text()
    for name in NAMES:
        assert callable(promises.test_of(name))
        assert re.search(rf"^\| `{name}` \|", document, re.MULTILINE), name


def test_the_document_tells_the_counts_that_were_reached():
    document = (ROOT / "docs" / "reliability.md").read_text()
    result = json.loads(RESULT.read_text())
    for name in NAMES & result.keys():
        told = re.search(rf"^\| `{name}` \|.*?\| ([\d,]+) of ([\d,]+) \|", document, re.MULTILINE)
        held, tried = (int(number.replace(",", "")) for number in told.groups())
        assert (held, tried) == (result[name]["held"], result[name]["tried"]), name


def test_mutants_differ_and_are_functions_of_their_seed():
    content = bytes(range(256)) * 4
    made = [mutant(content, np.random.default_rng(seed)) for seed in range(50)]
    assert made == [mutant(content, np.random.default_rng(seed)) for seed in range(50)]
    assert len(set(made)) > 45
    assert content not in made
