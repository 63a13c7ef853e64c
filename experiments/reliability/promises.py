"""The promises by name, and how often each is put to the test."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.reliability.outcome import Outcome

# (what is counted, times, random numbers, folder for its files). A promise whose cases are a fixed list
# tries the first `times` of them.
Test = Callable[[Outcome, int, np.random.Generator, Path], None]


class Promise(NamedTuple):
    """One promise.

    Attributes:
        text: what is promised.
        quick: times in a quick campaign.
        full: times in a whole one.
    """

    text: str
    quick: int
    full: int


PROMISES = {
    "kills": Promise("A run killed anywhere ends as an unbroken one", 20, 250),
    "crash_points": Promise("A process that ends at any write leaves the old or the new", 40, 2000),
    "damaged": Promise("What was changed after it was written never loads silently", 40, 1000),
    "data_order": Promise("A run cut anywhere sees the examples in the same order", 6, 105),
    "same_seed": Promise("The same seed gives the same weights, bit for bit", 1, 4),
    "failed_writes": Promise("No failed write is silent", 8, 100),
    "hostile_inputs": Promise("No file crashes a reader, or takes 2 s or 1 GiB", 5000, 100_000),
    "hostile_artefacts": Promise("Loading never runs code", 100, 100),
    "two_processes": Promise("Of two processes, one notices the other's death", 1, 8),
    "two_at_once": Promise("Two at once are refused or right, never mixed", 5, 25),
}


def test_of(name: str) -> Test:
    """The test of a promise: `run` of the module of its name."""
    return importlib.import_module(f"experiments.reliability.{name}").run
