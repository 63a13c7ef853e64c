"""The labels of a table: which columns they are written in, what their values can be, their units."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from simgan_jax.data.csv_file import Row
from simgan_jax.data.label_values import number, shown
from simgan_jax.errors import UserError
from simgan_jax.io.orientation import UPRIGHT, shown_directions, shown_points
from simgan_jax.metrics.angles import from_pitch_yaw, normalize, pitch_yaw

MAX_JOINTS = 1000
# Of one row, what joints must at least be apart in depth to be millimetres of a hand; and the farthest.
LEAST_DEPTH_MM, MOST_DEPTH_MM = 2.0, 20_000.0
# Vectors that are of about length 1 in most rows are so in all.
UNIT, NOT_UNIT = 0.01, 0.1
Values = Float[np.ndarray, "n k"]


class Way(NamedTuple):
    """One way to write a label.

    Attributes:
        label: its name.
        columns: in which its numbers stand.
        convert: numbers [n, k] to the label [n, ...].
        unit: "radians" or "degrees" of angles; otherwise nothing.
        limits: of each column where it is an angle, in its unit.
    """

    label: str
    columns: tuple[str, ...]
    convert: Callable[[Values], np.ndarray]
    unit: str = ""
    limits: tuple[float, ...] = ()


RECORDINGS = ("participant", "day", "group")
RIGHT, HALF = math.pi / 2, math.pi
WAYS = (
    Way("gaze", ("gaze_x", "gaze_y", "gaze_z"), normalize),
    Way("gaze", ("gaze_pitch", "gaze_yaw"), from_pitch_yaw, "radians", (RIGHT, RIGHT)),
    Way(
        "gaze",
        ("gaze_pitch_deg", "gaze_yaw_deg"),
        lambda x: from_pitch_yaw(np.radians(x)),
        "degrees",
        (90, 90),
    ),
    Way("head_pose", ("head_pitch", "head_yaw"), np.asarray, "radians", (RIGHT, HALF)),
    Way("head_pose", ("head_pitch_deg", "head_yaw_deg"), np.radians, "degrees", (90, 180)),
    Way("pupil", ("pupil_x", "pupil_y"), np.asarray),
    Way("pupil", ("iris_x", "iris_y"), np.asarray),
    *(Way(name, (name,), lambda x: x[:, 0].astype(np.int32)) for name in RECORDINGS),
)
VECTOR = WAYS[0]
TURNING = ("gaze", "head_pose", "pupil", "joints_uvd")  # with the image


def ways_of(table: Path, columns: Sequence[str]) -> list[Way]:
    """The labels of a table and how they are written.

    Raises:
        UserError: half a label, or one that is there in two ways.
    """
    found: dict[str, Way] = {}
    for way in (*WAYS, *_joints(columns)):
        there = [name for name in way.columns if name in columns]
        if there and len(there) < len(way.columns):
            missing = next(name for name in way.columns if name not in columns)
            raise UserError(f"{table}: column {there[0]} without {missing}")
        if there and way.label in found:
            raise UserError(
                f"{table}: {way.label} is there twice, as {', '.join(found[way.label].columns)} and as "
                f"{', '.join(way.columns)}"
            )
        if there:
            found[way.label] = way
    return list(found.values())


def _joints(columns: Sequence[str]) -> list[Way]:
    """The label of all joints, if there is a column of one."""
    named = {f"joint{i}_{axis}": i for i in range(MAX_JOINTS) for axis in "uvd"}
    last = max((named[name] for name in columns if name in named), default=-1)
    if last < 0:
        return []
    names = tuple(f"joint{i}_{axis}" for i in range(last + 1) for axis in "uvd")
    return [Way("joints_uvd", names, lambda x: x.reshape(len(x), -1, 3))]


def numbers(row: Row, ways: Sequence[Way]) -> dict[str, list[float]]:
    """The numbers of a row by label.

    Raises:
        UserError: one that is none, or that cannot be right: an angle beyond its limits, a gaze away
            from the camera or of length 0, a depth of no hand.
    """
    return {way.label: _numbers(row, way) for way in ways}


def _numbers(row: Row, way: Way) -> list[float]:
    values = []
    for name in way.columns:
        text = row.cells[name]
        value, whole = number(text), way.label in RECORDINGS
        if not math.isfinite(value) or abs(value) > 1e9 or (whole and value % 1):
            kind = "a whole number" if whole else "a number"
            hint = ", such as 3.5" if "," in text and not whole else ""
            raise UserError(f"{row.where}: {name} is {shown(text)}, expected {kind}{hint}")
        values.append(value)
    for name, value, limit in zip(way.columns, values, way.limits, strict=False):
        if abs(value) > limit * (1 + 1e-6):
            other = "; degrees are for a column " + f"{name}_deg" if way.unit == "radians" else ""
            raise UserError(
                f"{row.where}: {name} is {value:g}, expected {way.unit} from {-limit:.4g} to "
                f"{limit:.4g}{other}"
            )
    if way == VECTOR:
        if math.hypot(*values) < 1e-6:
            raise UserError(f"{row.where}: gaze has length 0")
        if values[2] > 0:
            raise UserError(
                f"{row.where}: gaze_z is {values[2]:g}, expected below 0: z points away from the "
                "camera, so that a gaze towards it has z < 0 (and y points down); turn the frame"
            )
    if way.label == "joints_uvd":
        for name, value in zip(way.columns[2::3], values[2::3], strict=True):
            if abs(value) > MOST_DEPTH_MM:
                raise UserError(
                    f"{row.where}: {name} is {value:g}, expected mm up to {MOST_DEPTH_MM:,.0f}"
                )
    return values


def check_lengths(rows: Sequence[tuple[str, Sequence[float]]]) -> dict[int, UserError]:
    """What is wrong with single gaze vectors of a table, by number.

    Args:
        rows: where each stands, and its three numbers.
    """
    lengths = np.array([math.hypot(*vector) for _, vector in rows])
    if not len(rows) or abs(np.median(lengths) - 1) > UNIT:
        return {}
    return {
        int(i): UserError(
            f"{rows[i][0]}: gaze has length {lengths[i]:.4g}, those of the other rows are 1"
        )
        for i in np.flatnonzero(abs(lengths - 1) > NOT_UNIT)
    }


def check_units(table: Path, way: Way, values: Values) -> None:
    """Looks at all rows of a label.

    Raises:
        UserError: values that are all right as those of another unit, and hardly as those of this.
    """
    if len(values) < 2 or not values.any():
        return
    named, many = ", ".join(way.columns), f"{len(values):,} rows"
    if way.unit == "degrees" and abs(values).max() < RIGHT:
        raise UserError(
            f"{table}: {named}: no value of {many} is beyond {abs(values).max():.3g} degrees; radians? "
            f"Those are for columns {named.replace('_deg', '')}"
        )
    points = values.reshape(len(values), -1, 3 if way.label == "joints_uvd" else values.shape[1])
    if way.label in ("pupil", "joints_uvd"):
        places = points[..., :2]
        if places.min() >= 0 and places.max() <= 1:
            raise UserError(
                f"{table}: {way.label}: no place of {many} is beyond 1 pixel; shares of the image? "
                "Multiply x by its width and y by its height"
            )
    if way.label == "joints_uvd":
        spread = np.ptp(points[..., 2], axis=1).max()
        if 0 < spread < LEAST_DEPTH_MM:
            raise UserError(
                f"{table}: depths of the joints of one image are at most {spread:.3g} apart in {many}, "
                "expected mm; metres? Multiply by 1000"
            )


def check_places(
    where: str, label: dict[str, list[float]], name: str, size: tuple[int, int], turned: str
) -> None:
    """Whether points of a row lie in its image.

    Args:
        where: the row stands.
        label: its numbers by label.
        name: of the image file.
        size: height and width of the image in the frame of the labels.
        turned: what else may be meant, where the image is turned by its orientation tag.

    Raises:
        UserError: a pupil outside, most joints outside, or one that is more than a size away.
    """
    height, width = size
    image = f"outside of {name}, {width} x {height} pixels (the first pixel is 0, 0){turned}"
    if "pupil" in label:
        x, y = label["pupil"]
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise UserError(f"{where}: pupil {x:g}, {y:g} lies {image}")
    if "joints_uvd" in label:
        places = np.array(label["joints_uvd"]).reshape(-1, 3)[:, :2]
        share = (places + 0.5) / (width, height)
        out = ((share < 0) | (share > 1)).any(1)
        far = ((share < -1) | (share > 2)).any(1)
        if far.any() or 2 * out.sum() > len(places):
            i = int((far if far.any() else out).argmax())
            raise UserError(
                f"{where}: joint{i} at {places[i][0]:g}, {places[i][1]:g} lies {image}; "
                f"{out.sum()} of {len(places)} joints do"
            )


class Move(NamedTuple):
    """How the pixels of an image have moved from its file: turned first, then scaled and cut.

    Attributes:
        orientation: of the file if labels are in the frame in which it is stored; otherwise upright.
        size: height and width of the file as shown.
        scale: of (x, y).
        offset: of (x, y).
    """

    orientation: int
    size: tuple[int, int]
    scale: Float[np.ndarray, "2"]
    offset: Float[np.ndarray, "2"]


def converted(
    ways: Sequence[Way], values: dict[str, Values], moves: Sequence[Move]
) -> dict[str, np.ndarray]:
    """Labels in their units, moved with the images; no moves where there are no images."""
    labels = {way.label: way.convert(values[way.label]) for way in ways}
    turns = np.array([move.orientation for move in moves], int)
    for name in TURNING:
        if name in labels and moves:
            labels[name] = _turned(name, labels[name], turns, moves)
            if name in ("pupil", "joints_uvd"):
                labels[name] = _moved(labels[name], moves)
    return {
        name: x if np.issubdtype(x.dtype, np.integer) else x.astype(np.float32)
        for name, x in labels.items()
    }


def _turned(
    name: str,
    label: Float[np.ndarray, "n ..."],
    turns: Int[np.ndarray, "n"],
    moves: Sequence[Move],
) -> Float[np.ndarray, "n ..."]:
    """A label of stored images as that of the shown ones."""
    label = np.array(label, np.float64)
    for row in np.flatnonzero(turns != UPRIGHT):
        if name == "head_pose":
            face = from_pitch_yaw(label[row])
            face[:2] = shown_directions(face[:2], turns[row])
            label[row] = pitch_yaw(face)
        elif name == "gaze":
            label[row, :2] = shown_directions(label[row, :2], turns[row])
        else:
            label[row, ..., :2] = shown_points(label[row, ..., :2], turns[row], moves[row].size)
    return label


def _moved(label: Float[np.ndarray, "n ..."], moves: Sequence[Move]) -> Float[np.ndarray, "n ..."]:
    """Points where scaled and cut images show them."""
    shape = (len(moves),) + (1,) * (label.ndim - 2) + (2,)
    label = np.array(label, np.float64)
    label[..., :2] *= np.stack([move.scale for move in moves]).reshape(shape)
    label[..., :2] += np.stack([move.offset for move in moves]).reshape(shape)
    return label
