"""How a simulator's random numbers are spread, as settings that a user can change."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from simgan_jax.errors import UserError


@dataclass(frozen=True)
class Spread:
    """One quantity over many pictures: a normal distribution clipped to limits, or an even one.

    Attributes:
        mean: in the middle; several numbers are several groups of equal size, such as the targets that
            people were asked to look at.
        std: standard deviation about the mean; None spreads values evenly between the limits, whatever
            `mean` and `follow` say.
        low: least value; what would be less becomes this.
        high: greatest value.
        within: what the simulator can draw; a user's limits must lie inside.
        follow: how far it goes along with another quantity, such as a head with the gaze: this times
            that is added to the mean. None where there is nothing to follow.
    """

    mean: float | tuple[float, ...]
    std: float | None
    low: float
    high: float
    within: tuple[float, float]
    follow: float | None = None

    def values(
        self, normal: Float[np.ndarray, "n"], leader: Float[np.ndarray, "n"] | float = 0.0
    ) -> Float[np.ndarray, "n"]:
        """Values for standard normal numbers, one for one.

        So other settings change nothing else in a picture: the random stream is used up alike.

        Args:
            normal: drawn from a standard normal distribution.
            leader: values of the quantity that is followed.
        """
        if self.std is None:
            return self.low + (self.high - self.low) * ndtr(normal)
        mean = self.mean
        if isinstance(mean, tuple):
            place = len(mean) * ndtr(normal)
            group = np.minimum(place.astype(int), len(mean) - 1)
            normal = ndtri(np.clip(place - group, 1e-9, 1 - 1e-9))
            mean = np.array(mean)[group]
        middle = mean + (self.follow or 0.0) * leader
        return np.clip(middle + self.std * normal, self.low, self.high)


def columns(
    rng: np.random.Generator, count: int, spreads: Sequence[Spread]
) -> Float[np.ndarray, "n k"]:
    """Draws a column of values for each of k spreads."""
    normal = rng.standard_normal((count, len(spreads)))
    return np.stack([spread.values(normal[:, i]) for i, spread in enumerate(spreads)], axis=-1)


def changed(
    spreads: Mapping[str, Spread], changes: Mapping[str, Any] | None, where: str
) -> Mapping[str, Spread]:
    """Spreads with what a configuration changes in them.

    Args:
        spreads: all there are.
        changes: by name, attributes of `Spread`: {"yaw": {"mean": 5, "std": 2}}; the others stay.
        where: what to call it in messages.

    Raises:
        UserError: a name that does not exist, a value that is no number or out of range.
    """
    result = dict(spreads)
    for name, change in _items(changes or {}, where):
        if name not in spreads:
            raise UserError(f"{where}.{name} does not exist; there are {', '.join(spreads)}")
        result[name] = _changed(spreads[name], change, f"{where}.{name}")
    return result


def _items(value: Any, where: str) -> list[tuple[str, Any]]:
    # A ConfigDict has items and is no Mapping.
    if not hasattr(value, "items"):
        raise UserError(f"{where} is {value!r}; expected settings by name")
    return list(value.items())


def _changed(spread: Spread, change: Any, where: str) -> Spread:
    names = ["mean", "std", "low", "high"] + ["follow"] * (spread.follow is not None)
    read: dict[str, Any] = {}
    for name, value in _items(change, where):
        if name not in names:
            raise UserError(f"{where}.{name} does not exist; there are {', '.join(names)}")
        if name == "mean" and isinstance(value, (list, tuple)) and value:
            read[name] = tuple(_number(x, f"{where}.mean") for x in value)
        elif name == "std" and value is None:
            read[name] = None
        else:
            read[name] = _number(value, f"{where}.{name}")
    spread = replace(spread, **read)
    (least, most), low, high = spread.within, spread.low, spread.high
    if not least <= low <= high <= most:
        raise UserError(
            f"{where}: low is {low:g}, high {high:g}; expected {least:g} <= low <= high <= {most:g}"
        )
    if spread.std is None:
        return spread
    if spread.std < 0:
        raise UserError(
            f"{where}.std is {spread.std:g}; expected 0 or more, or None: evenly spread"
        )
    means = spread.mean if isinstance(spread.mean, tuple) else (spread.mean,)
    for mean in means:
        if not low <= mean <= high:
            raise UserError(
                f"{where}.mean is {mean:g}, outside low {low:g} to high {high:g}; change those too"
            )
    return spread


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"{where} is {value!r}; expected a number")
    return value
