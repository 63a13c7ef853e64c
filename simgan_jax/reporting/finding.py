"""An answer to a question about a run."""

from typing import NamedTuple

# From best to worst; a thing that was not measured is worse than a good one.
GOOD, UNKNOWN, UNCLEAR, BAD = STATUSES = ("good", "unknown", "unclear", "bad")


class Finding(NamedTuple):
    """An answer.

    Attributes:
        question: that it answers.
        status: one of `STATUSES`.
        answer: in a few words.
        detail: what it rests on.
        remedy: what to do where it is bad, and the setting to change, perhaps "".
    """

    question: str
    status: str
    answer: str
    detail: str
    remedy: tuple[str, str] = ("", "")


def worst(*statuses: str) -> str:
    """The worst of some statuses."""
    return max(statuses, key=STATUSES.index)
