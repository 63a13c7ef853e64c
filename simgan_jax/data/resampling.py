"""A labelled set drawn again, so that its labels are spread as wanted.

A refiner makes distributions agree. Where renderings look down and people straight ahead, it lifts the
gaze and makes the labels wrong; drawn again, they look ahead from the beginning.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from rich.console import Console
from scipy.spatial import cKDTree

from simgan_jax.data import table
from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError
from simgan_jax.metrics.angles import pitch_yaw

REACH = 3.0  # bandwidths; a Gaussian has 1 % of its height there
NEIGHBOURS = 256  # most images that stand for one wanted label
UNCOVERED = 0.02  # share of wanted labels that may have no image near them, such as slips in a file
Values = Float[np.ndarray, "n k"]


class Coordinates(NamedTuple):
    """How a label is measured.

    Attributes:
        names: of the coordinates; none where there are too many to name.
        unit: of distances.
        bandwidth: usual one; 0 takes the median distance of an image's label to the next one's.
        read: label [n, ...] to values [n, k] whose Euclidean distance is meant.
    """

    names: tuple[str, ...]
    unit: str
    bandwidth: float
    read: Callable[[np.ndarray], Values]


def _pose(uvd: Float[np.ndarray, "n j 3"]) -> Values:
    """Joints such that distances are root mean squares over joints, a depth of 5.4 mm being a pixel.

    That is so in crops of 56 pixels and 300 mm. Depth counts from the middle of the joints, since crops
    follow the hand.
    """
    uvd = np.array(uvd, np.float64)
    uvd[..., 2] = (uvd[..., 2] - uvd[..., 2].mean(1, keepdims=True)) * 56 / 300
    return uvd.reshape(len(uvd), -1) / np.sqrt(uvd.shape[1])


# A degree is about what gaze labels of photographs are known to.
COORDINATES = {
    "gaze": Coordinates(("pitch", "yaw"), "degrees", 1.0, lambda x: np.degrees(pitch_yaw(x))),
    "head_pose": Coordinates(("pitch", "yaw"), "degrees", 1.0, np.degrees),
    "pupil": Coordinates(("x", "y"), "px", 0.5, np.asarray),
    "joints_uvd": Coordinates((), "px", 0.0, _pose),
}


def load(
    images: Mapping[str, Any],
    label: str = "gaze",
    like: Mapping[str, Any] | str | None = None,
    ranges: Mapping[str, Any] | None = None,
    count: int = 0,
    bandwidth: float = 0.0,
    repeats: float = 10.0,
    seed: int = 0,
) -> Arrays:
    """Draws images of a set, some several times and some never, so that a label is spread as wanted.

    For every wanted label one of the images near it is drawn, with a Gaussian weight of the distance.
    Other labels come along as they are: where gaze and head pose go together in the set, heads change.
    How many different images remain is told on the standard error.

    Args:
        images: a spec as `simgan_jax.data.load` takes it, of a set with the label.
        label: "gaze" and "head_pose" (as pitch and yaw, degrees), "pupil" (x and y, px) or
            "joints_uvd" (px, root mean square over joints).
        like: the wanted labels: a spec of another set with the label, or the path of a CSV file with
            its columns (`table`), images or not.
        ranges: instead, limits between which labels shall be even: {"pitch": (-10, 10)}; coordinates
            that are not named stay as they are.
        count: images drawn; 0 for as many as the set has.
        bandwidth: standard deviation of the weight, unit of the label; labels are smoothed by as much.
            0 for 1 degree, half a pixel of pupil, or the usual distance between the set's own joints.
        repeats: how often an image may be drawn on average, large weights counting more (`count` over
            Kish's effective sample size).
        seed: of the draw.

    Raises:
        UserError: no such label, neither or both of `like` and `ranges`, wanted labels that the set
            does not have, too few images for the count, or what a set says of its files.
    """
    from simgan_jax.data import load as load_one  # which imports this module by name

    if label not in COORDINATES:
        raise _error(f"label {label!r} is unknown; one of {', '.join(COORDINATES)}")
    if (like is None) == (ranges is None):
        raise _error("give either like (wanted labels) or ranges (limits of even ones)")
    for name, value, least in (
        ("count", count, 0),
        ("bandwidth", bandwidth, 0),
        ("repeats", repeats, 1),
    ):
        if not _is_number(value) or value < least:
            raise _error(f"{name} is {value!r}; expected a number of {least} or more")
    rng = np.random.default_rng(seed)
    ours = load_one(images)
    count = int(count) or len(ours)
    names, values = COORDINATES[label].names, _values(ours.labels, label, "images")
    if ranges is not None:
        limits = _limits(ranges, label)
        values = values[:, [names.index(name) for name in limits]]
        names = tuple(limits)
        wanted = rng.uniform(*np.array(list(limits.values())).T, (count, len(names)))
    else:
        theirs = table.read_labels(like) if isinstance(like, str) else load_one(like).labels
        wanted = _values(theirs, label, "like")
        if wanted.shape[1] != values.shape[1]:
            raise _error(f"{label}: images has {values.shape[1]} numbers, like {wanted.shape[1]}")
        wanted = wanted[np.resize(rng.permutation(len(wanted)), count)]
    bandwidth = bandwidth or COORDINATES[label].bandwidth or _usual_distance(values)

    rows, effective = draw(values, wanted, bandwidth, rng)
    missing = rows < 0
    if missing.mean() > UNCOVERED:
        raise _error(
            f"{missing.mean():.0%} of the wanted {label} labels are more than {REACH * bandwidth:.2g} "
            f"{COORDINATES[label].unit} away from any that images has"
            + _where(names, values, wanted[missing])
        )
    if count > repeats * effective:
        raise _error(
            f"{count:,} images would be drawn from {effective:,.0f} (effective number), each "
            f"{count / effective:.0f} times; repeats allows {repeats:g}: draw fewer, give images more "
            f"to draw from, or raise bandwidth ({bandwidth:.2g}) or repeats"
        )
    rows[missing] = rng.choice(rows[~missing], missing.sum())
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"simgan: resampled by {label}: {count:,} images, {len(np.unique(rows)):,} different ones of "
        f"{len(ours):,} (effective number {effective:,.0f})",
        markup=False,
    )
    return ours[rows]


def draw(
    values: Values, wanted: Float[np.ndarray, "m k"], bandwidth: float, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "m"], float]:
    """For every wanted label a row whose label is near it.

    Args:
        values: labels of the rows to draw from.
        wanted: labels.
        bandwidth: standard deviation of the Gaussian that weighs rows by their distance.
        rng: random stream.

    Returns:
        Rows, -1 where none is within `REACH` bandwidths; and the effective number of different rows,
        (sum p)^2 / sum p^2 over each row's probability p (Kish, Survey Sampling, 1965).
    """
    tree = cKDTree(values)
    rows = np.full(len(wanted), -1)
    share = np.zeros(len(values))
    for start in range(0, len(wanted), 4096):  # bounds the memory
        part = slice(start, start + 4096)
        distance, near = tree.query(wanted[part], k=np.arange(min(NEIGHBOURS, len(values))) + 1)
        weight = np.exp(-0.5 * (distance / bandwidth) ** 2) * (distance <= REACH * bandwidth)
        total = np.cumsum(weight, axis=1)
        covered = total[:, -1] > 0
        # The first whose cumulated weight exceeds a random part of the sum: never one without weight.
        pick = (total > rng.random((len(total), 1)) * total[:, -1:]).argmax(1)
        rows[part] = np.where(covered, near[np.arange(len(near)), pick], -1)
        np.add.at(share, near[covered], weight[covered] / total[covered, -1:])
    return rows, share.sum() ** 2 / max((share**2).sum(), 1e-300)


def _values(labels: Mapping[str, np.ndarray], label: str, where: str) -> Values:
    if label not in labels or not len(labels[label]):
        there = ", ".join(sorted(labels)) or "none"
        raise _error(f"{where} has no label {label!r}; there are: {there}")
    values = np.asarray(COORDINATES[label].read(labels[label]), np.float64)
    if not np.isfinite(values).all():
        raise _error(f"{label} of {where} is not a number in some rows; leave those out")
    return values


def _limits(ranges: Any, label: str) -> dict[str, tuple[float, float]]:
    """Lower and upper limits by name."""
    names = COORDINATES[label].names
    if not names:
        raise _error(f"ranges do not exist for {label}; give wanted labels as like")
    # A ConfigDict has items and is no Mapping.
    if not hasattr(ranges, "items") or not list(ranges.items()):
        raise _error(f"ranges is {ranges!r}; expected limits of {' or '.join(names)} by name")
    limits = dict(ranges.items())
    for name, pair in limits.items():
        if name not in names:
            raise _error(f"ranges.{name} does not exist; {label} has {', '.join(names)}")
        fits = isinstance(pair, (list, tuple)) and len(pair) == 2 and all(map(_is_number, pair))
        if not fits or pair[0] > pair[1]:
            raise _error(f"ranges.{name} is {pair!r}; expected two numbers, the lower one first")
    return limits


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _usual_distance(values: Values) -> float:
    """Median over rows of the distance to the nearest other one; never 0."""
    distance, _ = cKDTree(values).query(values, k=[2])
    return max(float(np.median(distance)), 1e-6)


def _where(names: Any, values: Values, missing: Values) -> str:
    """Where labels are missing, and what there is, if coordinates have names."""
    if not names:
        return ""

    def span(x: Values, shares: tuple[float, float]) -> str:
        ends = np.quantile(x, shares, axis=0).T
        return ", ".join(
            f"{n} {low:.1f} to {high:.1f}" for n, (low, high) in zip(names, ends, strict=True)
        )

    return f": those at {span(missing, (0.05, 0.95))}; images has {span(values, (0, 1))}"


def _error(text: str) -> UserError:
    return UserError(f"data source resampled: {text}")
