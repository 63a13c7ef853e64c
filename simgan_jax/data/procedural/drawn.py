"""Pictures that an earlier command has drawn are not drawn again."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import scipy

from simgan_jax.data.arrays import Arrays
from simgan_jax.io.kept_arrays import kept

# Fewer pictures are drawn in about a second.
LEAST = 1000
SOURCES = Path(__file__).parents[2]


def drawn(what: str, count: int, settings: Mapping[str, Any], draw: Callable[[], Arrays]) -> Arrays:
    """What `draw` gives, from disk if it lies there; see `kept_arrays`.

    Args:
        what: is drawn.
        count: of pictures.
        settings: all that decides them, by name; equal ones have one `repr`.
        draw: draws them.
    """
    if count < LEAST:
        return draw()

    def make() -> dict[str, np.ndarray]:
        arrays = draw()
        return {"images": arrays.images} | {f"label.{k}": x for k, x in arrays.labels.items()}

    key = hashlib.sha256(repr((what, settings, _drawer())).encode()).hexdigest()
    arrays = kept(f"{what}-{key[:32]}", make)
    labels = {k.removeprefix("label."): x for k, x in arrays.items() if k != "images"}
    return Arrays(arrays["images"], labels)


@cache
def _drawer() -> tuple[Any, ...]:
    """What draws: our code, libraries, and what they use of the CPU, which decides how they round."""
    code = hashlib.sha256()
    for folder in ("data", "metrics"):
        for file in sorted((SOURCES / folder).rglob("*.py")):
            code.update(file.read_bytes())
    features = np.show_config(mode="dicts")["SIMD Extensions"]
    return code.hexdigest(), np.__version__, scipy.__version__, PIL.__version__, features
