"""Any images with labels in a CSV file: the way in for data sets that have no builder here.

The first line names the columns. `file` is the image, below the folder of the CSV. The others are
labels; the columns of one label are all there or none, and columns with other names are left alone.

    label        columns                              units
    gaze         gaze_x, gaze_y, gaze_z               any length; x right, y down, z from the camera
                 or gaze_pitch, gaze_yaw              radians; positive is up, and to the image's left
                 or gaze_pitch_deg, gaze_yaw_deg      degrees
    head_pose    head_pitch, head_yaw                 radians; signs as for gaze
                 or head_pitch_deg, head_yaw_deg      degrees
    pupil        pupil_x, pupil_y or iris_x, iris_y   pixels of the image; first one's centre is (0, 0)
    joints_uvd   joint0_u, joint0_v, joint0_d, ...    pixels, pixels, mm; joint1_u and so on, no gaps
    participant  participant                          a whole number, as day and group: a recording
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from simgan_jax.data import csv_file, table_labels, table_rows
from simgan_jax.data.arrays import Arrays
from simgan_jax.data.fitting import (
    FITS,
    enough,
    fitted,
    opaque,
    scaled,
    threads,
    warn_of_unused_range,
)
from simgan_jax.data.label_values import shown
from simgan_jax.data.table_labels import TURNING, Move, Way
from simgan_jax.data.table_rows import Entry, Faults, numbers, of_row, with_header
from simgan_jax.errors import UserError, warn
from simgan_jax.io import image_files
from simgan_jax.io.orientation import UPRIGHT
from simgan_jax.io.progress import progress

ORIENTATIONS = ("", "shown", "stored")


def load(
    path: str,
    height: int = 0,
    width: int = 0,
    channels: int = 0,
    fit: str = "none",
    on_error: str = "stop",
    count: int = 0,
    orientation: str = "",
) -> Arrays:
    """Reads the images that a CSV file names, and their labels.

    Labels in pixels follow the images through scaling and cropping.

    Args:
        path: of the CSV file (UTF-8; commas, semicolons or tabs).
        height: of the images in pixels; 0 takes that of the first file.
        width: of the images in pixels; 0 takes that of the files.
        channels: 1 or 3, converting where needed; 0 takes that of the first file.
        fit: what to do with images of another size: "none" stops, "resize" stretches, "crop" takes the
            middle, "cover" scales until the shorter side fits, then takes the middle.
        on_error: "stop" at a damaged row or image, or "skip" it and say so.
        count: the first so many rows; 0 takes all.
        orientation: which image labels describe where a file has an orientation tag: that which is
            "shown", as tools for annotation have it, or that which is "stored"; then they are turned
            with the image. "" takes the shown one, and says so if there are such files.

    Returns:
        uint8 or uint16 images [N, height, width, channels], as shown, and the labels above.

    Raises:
        UserError: no such file, no column `file`, half a label, a value that is no number or cannot be
            right, an image that is missing or damaged.
    """
    for name, value, known in (
        ("fit", fit, FITS),
        ("on_error", on_error, ("stop", "skip")),
        ("orientation", orientation, ORIENTATIONS),
    ):
        if value not in known:
            raise UserError(
                f"data source table: {name} is {value!r}; one of {', '.join(filter(None, known))}"
            )
    table = Path(path)
    columns, rows = csv_file.read(table)
    if "file" not in columns:
        raise UserError(f"{table}: no column 'file' in its first line, {shown(','.join(columns))}")
    ways = table_labels.ways_of(table, columns)
    rows, faults = rows[: count or None], Faults(on_error)
    entries = table_rows.entries_of(table, rows, ways, faults)
    _check_units(table, ways, list(entries.values()))
    with _pool(os.cpu_count() or 1) as pool:
        with_headers = pool(
            lambda row: faults.attempt(row, with_header, entries[row], orientation), entries
        )
        entries = {row: entry for row, entry in zip(entries, with_headers, strict=True) if entry}
    if not entries:
        raise UserError(f"{table}: no readable image; first {faults.first()}")
    headers = [entry.header for entry in entries.values()]
    first = headers[0]
    shape = (height or first.shape[1], width or first.shape[2], channels or first.shape[3])
    deep = any(header.dtype != "uint8" for header in headers)
    moves = {
        row: faults.attempt(row, _move, entry, shape[:2], fit, orientation)
        for row, entry in entries.items()
    }
    entries = {row: entry for row, entry in entries.items() if moves[row]}
    images = np.empty((len(entries), *shape), np.uint16 if deep else np.uint8)
    good = np.zeros(len(entries), bool)

    def fill(place: int) -> None:
        row = kept[place]
        entry = entries[row]
        least = enough(entry.header, images, fit)
        pixels = faults.attempt(row, of_row, entry, _image, entry.file, least)
        if pixels is not None:
            images[place] = fitted(pixels, images, fit)[0]
            good[place] = True

    kept = list(entries)
    with _pool(threads(headers)) as pool, progress(f"reading {path}", len(kept)) as tell:
        for _ in pool(fill, range(len(kept))):
            tell(1)
    if not good.any():
        raise UserError(f"{table}: no usable image; first {faults.first()}")
    if faults.found:
        warn(
            f"{table}: skipped {len(faults.found):,} of {len(rows):,} rows; first {faults.first()}"
        )
    images = images if good.all() else images[good]
    warn_of_unused_range(path, images)
    entries = [entries[row] for row, use in zip(kept, good, strict=True) if use]
    table_rows.warn_of_copies(table, entries)
    _warn_of_turned(table, entries, ways, orientation)
    moves = [moves[row] for row, use in zip(kept, good, strict=True) if use]
    return Arrays(images, table_labels.converted(ways, _values(ways, entries), moves))


def read_labels(path: str) -> dict[str, np.ndarray]:
    """The labels of a table alone, those in pixels as they stand there; it needs no column `file`.

    Raises:
        UserError: no such file, no row, half a label, a value that is no number or cannot be right.
    """
    table = Path(path)
    columns, rows = csv_file.read(table)
    ways = table_labels.ways_of(table, columns)
    entries = [Entry("", table, numbers(row, ways)) for row in rows]
    _check_units(table, ways, entries)
    return table_labels.converted(ways, _values(ways, entries), [])


@contextmanager
def _pool(workers: int) -> Iterator[Callable]:
    """A `map` in threads that begins nothing new after an error."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _move(entry: Entry, want: tuple[int, int], fit: str, frame: str) -> Move:
    """How the pixels of an image move to the wanted size."""
    header = entry.header
    had = header.shape[1:3]
    if had != want and (
        fit == "none" or (fit == "crop" and (had[0] < want[0] or had[1] < want[1]))
    ):
        raise UserError(
            f"{entry.where}: {entry.file}: {had[1]} x {had[0]} pixels, expected {want[1]} x "
            f"{want[0]}; set fit to resize or cover"
        )
    between = np.array(scaled(had, want, fit))
    scale = between / had
    offset = 0.5 * scale - 0.5 - (between - want) // 2
    turn = header.orientation if frame == "stored" else UPRIGHT
    return Move(turn, had, scale[::-1], offset[::-1])


def _image(path: Path, least: tuple[int, int]) -> np.ndarray:
    return opaque(path, image_files.read(path, least))


def _values(ways: list[Way], entries: list[Entry]) -> dict[str, np.ndarray]:
    return {way.label: np.array([entry.label[way.label] for entry in entries]) for way in ways}


def _check_units(table: Path, ways: list[Way], entries: list[Entry]) -> None:
    for way in ways:
        table_labels.check_units(table, way, _values([way], entries)[way.label])


def _warn_of_turned(table: Path, entries: list[Entry], ways: list[Way], frame: str) -> None:
    turned = [entry for entry in entries if entry.header.orientation != UPRIGHT]
    named = [way.label for way in ways if way.label in TURNING]
    if turned and named and not frame:
        warn(
            f"{table}: {len(turned):,} images have an orientation tag, first {turned[0].file.name}: "
            f"{', '.join(named)} are taken as of the images as shown; set orientation to stored "
            "where they are not, to shown where they are"
        )
