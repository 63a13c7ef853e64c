"""What the rows of the experiment differ by."""

from collections.abc import Mapping
from typing import Any

from experiments import paired

# Row and the row it is measured against.
COMPARISONS = (
    ("refined", "synthetic"),
    ("refined_4x", "synthetic_4x"),
    ("synthetic_4x", "synthetic"),
    ("refined_4x", "refined"),
    ("refined", "synthetic_4x"),
)


def compare(rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the rows differ by, of errors and of shares within the threshold, over GAN seeds."""
    return [
        {"row": row, "against": against, "figure": figure}
        | paired.difference(rows[row][figure]["runs"], rows[against][figure]["runs"])
        for figure in ("error", "within")
        for row, against in COMPARISONS
    ]
