"""What came of trying a promise many times."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

# Faults told one by one; the number of all is tried - held.
TOLD = 20


@dataclass
class Outcome:
    """Counts of one promise.

    Attributes:
        tried: times that it was put to the test.
        held: times that it was kept.
        faults: a line for each of the first that was not.
        notes: what else was counted, for result.json.
        until: `time.monotonic()` after which nothing more is tried.
    """

    tried: int = 0
    held: int = 0
    faults: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    until: float = math.inf

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def add(self, fault: str | None) -> None:
        """Counts one try; `fault` says what went wrong, None that nothing did."""
        self.tried += 1
        if fault is None:
            self.held += 1
        elif len(self.faults) < TOLD:
            self.faults.append(fault)

    def count(self, table: str, name: str) -> None:
        """Counts something else, by name, in a table of the notes."""
        counts = self.notes.setdefault(table, {})
        counts[name] = counts.get(name, 0) + 1
