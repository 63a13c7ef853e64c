"""Any images with labels in a CSV file: the way in for data sets that have no builder here.

The first line names the columns. `file` is the image, below the folder of the CSV. The others are
labels; the columns of one label are all there or none, and columns with other names are left alone.

    label        columns                              units
    gaze         gaze_x, gaze_y, gaze_z               any length; x right, y down, z from the camera
                 or gaze_pitch, gaze_yaw              radians; positive is up, and to the image's left
                 or gaze_pitch_deg, gaze_yaw_deg      degrees
    head_pose    head_pitch, head_yaw                 radians; signs as for gaze
                 or head_pitch_deg, head_yaw_deg      degrees
    pupil        pupil_x, pupil_y or iris_x, iris_y   pixels of the file; first pixel's centre is (0, 0)
    joints_uvd   joint0_u, joint0_v, joint0_d, ...    pixels, pixels, mm; joint1_u and so on, no gaps
    participant  participant                          a whole number, as day and group: a recording
"""

import csv
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.fitting import FITS, fitted, opaque
from simgan_jax.data.label_values import shown
from simgan_jax.errors import UserError, warn
from simgan_jax.io import image_files
from simgan_jax.io.progress import progress
from simgan_jax.metrics.angles import from_pitch_yaw, normalize

MAX_JOINTS = 1000
Values = Float[np.ndarray, "n k"]


class Way(NamedTuple):
    """One way to write a label."""

    label: str
    columns: tuple[str, ...]
    convert: Callable[[Values], np.ndarray]


WAYS = (
    Way("gaze", ("gaze_x", "gaze_y", "gaze_z"), normalize),
    Way("gaze", ("gaze_pitch", "gaze_yaw"), from_pitch_yaw),
    Way("gaze", ("gaze_pitch_deg", "gaze_yaw_deg"), lambda x: from_pitch_yaw(np.radians(x))),
    Way("head_pose", ("head_pitch", "head_yaw"), np.asarray),
    Way("head_pose", ("head_pitch_deg", "head_yaw_deg"), np.radians),
    Way("pupil", ("pupil_x", "pupil_y"), np.asarray),
    Way("pupil", ("iris_x", "iris_y"), np.asarray),
    *(
        Way(name, (name,), lambda x: x[:, 0].round().astype(np.int32))
        for name in ("participant", "day", "group")
    ),
)


def load(
    path: str,
    height: int = 0,
    width: int = 0,
    channels: int = 0,
    fit: str = "none",
    on_error: str = "stop",
    count: int = 0,
) -> Arrays:
    """Reads the images that a CSV file names, and their labels.

    Labels in pixels follow the images through scaling and cropping.

    Args:
        path: of the CSV file (UTF-8, commas).
        height: of the images in pixels; 0 takes that of the first file.
        width: likewise.
        channels: 1 or 3, converting where needed; 0 takes that of the first file.
        fit: what to do with images of another size: "none" stops, "resize" stretches, "crop" takes the
            middle, "cover" scales until the shorter side fits, then takes the middle.
        on_error: "stop" at a damaged row or image, or "skip" it and say so.
        count: the first so many rows; 0 takes all.

    Returns:
        uint8 or uint16 images [N, height, width, channels] and the labels above.

    Raises:
        UserError: no such file, no column `file`, half a label, a value that is no number, an image
            that is missing or damaged.
    """
    if fit not in FITS or on_error not in ("stop", "skip"):
        raise UserError(
            f"data source table: fit {fit!r}, on_error {on_error!r}; fit is one of "
            f"{', '.join(FITS)}, on_error stop or skip"
        )
    table = Path(path)
    columns, rows = _read(table)
    if "file" not in columns:
        raise UserError(f"{table}: no column 'file' in its first line, {shown(','.join(columns))}")
    ways = _ways(table, columns)
    wanted = {name: columns.index(name) for way in ways for name in way.columns}
    faults: list[str] = []

    def attempt(call, *arguments):
        try:
            return call(*arguments)
        except UserError as error:
            if on_error == "stop":
                raise
            faults.append(str(error))
            return None

    parsed = [
        attempt(_parse, table, number, row, columns, wanted)
        for number, row in enumerate(rows[: count or None], 2)
    ]
    entries = [entry for entry in parsed if entry]
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress(f"reading {path}", len(entries)) as tell,
    ):
        pictures = []
        for picture in pool.map(lambda entry: attempt(_image, entry[0]), entries):
            pictures.append(picture)
            tell(1)
    first = next((picture for picture in pictures if picture is not None), None)
    if first is None:
        raise UserError(
            f"{table}: no readable image; first {faults[0] if faults else 'row missing'}"
        )
    shape = (height or first.shape[1], width or first.shape[2], channels or first.shape[3])
    like = np.empty((0, *shape), max(picture.dtype for picture in pictures if picture is not None))
    images, values, moves = [], [], []
    for (file, numbers), picture in zip(entries, pictures, strict=True):
        placed = picture is not None and attempt(_placed, file, picture, like, fit)
        if placed:
            images.append(placed[0])
            moves.append(placed[1])
            values.append(numbers)
    if not images:
        raise UserError(f"{table}: no usable image; first {faults[0]}")
    if faults:
        warn(f"{table}: skipped {len(faults):,} of {len(parsed):,} rows; first {faults[0]}")
    return Arrays(np.concatenate(images), _labels(ways, list(wanted), np.array(values), moves))


def read_labels(path: str) -> dict[str, np.ndarray]:
    """The labels of a table alone, those in pixels as they stand there; it needs no column `file`.

    Raises:
        UserError: no such file, no row, half a label, a value that is no number.
    """
    table = Path(path)
    columns, rows = _read(table)
    ways = _ways(table, columns)
    wanted = {name: columns.index(name) for way in ways for name in way.columns}
    values = [_numbers(table, number, row, columns, wanted) for number, row in enumerate(rows, 2)]
    if not values:
        raise UserError(f"{table}: no row below the names of the columns")
    still = [(np.ones(2), np.zeros(2))] * len(values)
    return _labels(ways, list(wanted), np.array(values), still)


def _read(table: Path) -> tuple[list[str], list[list[str]]]:
    """Column names and rows."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except OSError as error:
        raise UserError(f"{table}: {error.strerror or 'unreadable'}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{table}: not readable as CSV in UTF-8 ({error})") from error
    columns = [name.strip() for name in rows[0]] if rows else []
    if len(set(columns)) != len(columns):
        raise UserError(f"{table}: a column name is there twice: {shown(','.join(columns))}")
    return columns, rows[1:]


def _ways(table: Path, columns: Sequence[str]) -> list[Way]:
    """The labels of a table and how they are written."""
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


def _parse(
    table: Path, number: int, row: list[str], columns: list[str], wanted: dict[str, int]
) -> tuple[Path, list[float]]:
    """Image and values of a row."""
    values = _numbers(table, number, row, columns, wanted)
    file = PurePosixPath(row[columns.index("file")].strip())
    if not file.name or file.is_absolute() or ".." in file.parts:
        raise UserError(
            f"{table}, row {number}: file {shown(str(file))} is not below the folder of the table"
        )
    return table.parent / file, values


def _numbers(
    table: Path, number: int, row: list[str], columns: list[str], wanted: dict[str, int]
) -> list[float]:
    """Values of a row."""
    where = f"{table}, row {number}"
    if len(row) != len(columns):
        raise UserError(f"{where}: {len(row)} values for {len(columns)} columns")
    values = []
    for name, index in wanted.items():
        try:
            value = float(row[index])
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or abs(value) > 1e9:
            raise UserError(f"{where}: {name} is {shown(row[index])}, expected a number")
        values.append(value)
    vector = [v for name, v in zip(wanted, values, strict=True) if name in WAYS[0].columns]
    if vector and math.hypot(*vector) < 1e-6:
        raise UserError(f"{where}: gaze has length 0")
    return values


def _image(path: Path) -> Shaped[np.ndarray, "1 h w c"]:
    picture = image_files.read(path)
    if len(picture.pixels) != 1:
        raise UserError(f"{path}: {len(picture.pixels)} images, expected one")
    return opaque(path, picture)


def _placed(
    path: Path,
    pixels: Shaped[np.ndarray, "1 h w c"],
    like: Shaped[np.ndarray, "0 height width channels"],
    fit: str,
) -> tuple[Shaped[np.ndarray, "1 height width channels"], tuple[np.ndarray, np.ndarray]]:
    """An image in the wanted size, and scale and offset (x, y) of its pixels' positions."""
    had, want = np.array(pixels.shape[1:3]), np.array(like.shape[1:3])
    if (had != want).any() and (fit == "none" or (fit == "crop" and (had < want).any())):
        raise UserError(
            f"{path}: {had[1]} x {had[0]} pixels, expected {want[1]} x {want[0]}; set fit to resize or "
            "cover"
        )
    scaled = {
        "resize": want,
        "cover": np.maximum(want, np.round(had * (want / had).max())),
    }.get(fit, had)
    scale = scaled / had
    offset = 0.5 * scale - 0.5 - (scaled - want) // 2
    return fitted(pixels, like, fit), (scale[::-1], offset[::-1])


def _labels(
    ways: list[Way], names: list[str], values: Values, moves: list[tuple[np.ndarray, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Labels in their units, those in pixels moved with the images."""
    scale, offset = (np.stack(part) for part in zip(*moves, strict=True))
    labels = {}
    for way in ways:
        label = way.convert(values[:, [names.index(name) for name in way.columns]])
        if way.label == "pupil":
            label = label * scale + offset
        if way.label == "joints_uvd":
            label = label.copy()
            label[..., :2] = label[..., :2] * scale[:, None] + offset[:, None]
        is_whole = np.issubdtype(label.dtype, np.integer)
        labels[way.label] = label if is_whole else label.astype(np.float32)
    return labels
