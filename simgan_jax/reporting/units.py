"""How a task's errors and the rows of its estimators read on the page."""

from typing import NamedTuple


class Task(NamedTuple):
    """What stands after an error, the bound of the share within it, and what is counted."""

    unit: str
    within: str
    tested: str = "images"


# The tasks whose labels can be tested; a run of another task has no labels.
TASKS = {
    "gaze": Task("°", "7°"),
    "hand": Task(" px", "5 px of 224", "joints"),
    "iris": Task(" px", "5 px"),
}


def plain(name: str) -> str:
    """A row's name in words."""
    return name.replace("_", " ")
