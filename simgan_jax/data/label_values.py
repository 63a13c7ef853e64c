"""Values from label files: each is what it must be, or a `UserError` says where it is not."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from simgan_jax.errors import UserError, regular

MAX_JSON_BYTES = 1_000_000
_NUMBER = r"\s*[+-]?(?:\d{1,20}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?\s*"
_ONE_NUMBER = re.compile(_NUMBER, re.ASCII)
_NUMBERS = re.compile(rf"\({_NUMBER}(?:,{_NUMBER})*\)", re.ASCII)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds one object.

    Raises:
        UserError: missing, too large, no JSON, or not an object.
    """
    regular(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
        content = json.loads(text) if len(text) <= MAX_JSON_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object of at most {MAX_JSON_BYTES:,} bytes")
    return content


def number(text: str) -> float:
    """The number of a text such as "-2.5e-3"; NaN if it is none."""
    return float(text) if _ONE_NUMBER.fullmatch(text) else math.nan


def numbers(text: Any, count: int, where: str) -> Float[np.ndarray, "count"]:
    """The numbers of a text such as "(1.5, -2.0, 3e-1)".

    Args:
        text: parentheses, and in them numbers with commas between; anything else is an error.
        count: how many numbers there must be.
        where: the file and the field, for the message.

    Raises:
        UserError: another form, another count, or not finite.
    """
    fits = isinstance(text, str) and len(text) < 1000 and _NUMBERS.fullmatch(text)
    if not fits or text.count(",") != count - 1:
        raise UserError(
            f"{where} is {shown(text)}, expected a text with {count} numbers: (a, b, ...)"
        )
    values = [float(part) for part in text[1:-1].split(",")]
    if not all(map(math.isfinite, values)):
        raise UserError(f"{where} is {shown(text)}, expected finite numbers")
    return np.array(values)


def array(value: Any, shape: Sequence[int | None], where: str) -> Float[np.ndarray, "..."]:
    """A finite array of numbers.

    Args:
        value: what should be one.
        shape: expected; None stands for any size.
        where: the file and the field, for the message.

    Returns:
        float64.

    Raises:
        UserError: not an array of real numbers, another shape, NaN or infinity.
    """
    found = value if isinstance(value, np.ndarray) else np.array("")
    fits = found.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, found.shape, strict=True)
    )
    if found.dtype.kind not in "uif" or not fits:
        wanted = " x ".join("N" if size is None else str(size) for size in shape)
        kind = f"{found.dtype} {' x '.join(map(str, found.shape))}"
        kind = kind if isinstance(value, np.ndarray) else type(value).__name__
        raise UserError(f"{where}: found {kind}, expected numbers {wanted}")
    found = found.astype(np.float64)
    if not np.isfinite(found).all():
        raise UserError(f"{where}: NaN or infinity")
    return found


def unit_vectors(vectors: Float[np.ndarray, "*n 3"], where: str) -> Float[np.ndarray, "*n 3"]:
    """Directions of length 1, after a check that they had about that length and face the camera.

    Files hold them rounded to 4 digits or so; a larger error is damage.

    Raises:
        UserError: a length that is not 1, or a direction away from the camera (z >= 0).
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if (abs(length - 1) > 1e-2).any():
        worst = length.flat[abs(length - 1).argmax()]
        raise UserError(f"{where}: a direction of length {worst:.4g}, expected 1")
    if (vectors[..., 2] >= 0).any():
        raise UserError(f"{where}: a gaze away from the camera (z >= 0)")
    return vectors / length


def shown(value: Any) -> str:
    """What was found, in one line of bounded length."""
    text = " ".join(str(value)[:200].split()) if isinstance(value, str) else type(value).__name__
    return ascii(text if len(text) <= 60 else text[:57] + "...")
