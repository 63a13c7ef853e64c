"""The rows of a table: the image that each one names, its labels, and what is wrong with it."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from simgan_jax.data import table_labels
from simgan_jax.data.csv_file import Row
from simgan_jax.data.label_values import shown
from simgan_jax.data.table_labels import VECTOR, Way
from simgan_jax.errors import UserError, counted, warn
from simgan_jax.io import image_files
from simgan_jax.io.orientation import UPRIGHT
from simgan_jax.io.orientation import size as turned_size
from simgan_jax.io.pictures import Header


class Entry(NamedTuple):
    """A row and the image it names."""

    where: str
    file: Path
    label: dict[str, list[float]]
    header: Header | None = None


class Faults:
    """What is wrong, by row; the first is raised, or all are counted."""

    def __init__(self, on_error: str):
        self._stop = on_error == "stop"
        self.found: dict[int, str] = {}

    def note(self, row: int, error: UserError) -> None:
        """Notes an error of a row, or raises it."""
        if self._stop:
            raise error
        self.found[row] = str(error)

    def attempt(self, row: int, call: Callable, *arguments: Any) -> Any:
        """What a call returns; None where it raises a `UserError` that is noted."""
        try:
            return call(*arguments)
        except UserError as error:
            self.note(row, error)
            return None

    def first(self) -> str:
        """The first row's."""
        return self.found[min(self.found)]


def entries_of(
    table: Path, rows: Sequence[Row | UserError], ways: Sequence[Way], faults: Faults
) -> dict[int, Entry]:
    """The rows that name an image below the table's folder and whose labels can be right, by number.

    Raises:
        UserError: what `faults` raises; or more than half of the rows are not so, which is no fault of
            single rows.
    """
    found = {row: faults.attempt(row, _entry, table, line, ways) for row, line in enumerate(rows)}
    entries = {row: entry for row, entry in found.items() if entry}
    odd = _uneven_lengths(entries, ways)
    for row in sorted(odd):
        faults.note(row, odd[row])
        del entries[row]
    if len(faults.found) > len(rows) / 2:
        raise UserError(
            f"{table}: {len(faults.found):,} of {counted(len(rows), 'row')} cannot be right, too many "
            f"to leave out; first {faults.first()}"
        )
    return entries


def numbers(row: Row | UserError, ways: Sequence[Way]) -> dict[str, list[float]]:
    """The labels of a row.

    Raises:
        UserError: one that cannot be right, or the row has too few or too many values.
    """
    if isinstance(row, UserError):
        raise row
    return table_labels.numbers(row, ways)


def with_header(entry: Entry, frame: str) -> Entry:
    """An entry with the header of its image, whose places lie in it.

    Raises:
        UserError: the file is missing or damaged or holds several images, or a place lies outside.
    """
    header = of_row(entry, image_files.read_header, entry.file)
    if header.shape[0] != 1:
        raise UserError(f"{entry.where}: {entry.file}: {header.shape[0]} images, expected one")
    size, turned = header.shape[1:3], ""
    if header.orientation != UPRIGHT:
        turned = f" as {frame or 'shown'}; see the key orientation"
        size = turned_size(*size, header.orientation) if frame == "stored" else size
    table_labels.check_places(entry.where, entry.label, entry.file.name, size, turned)
    return entry._replace(header=header)


def of_row(entry: Entry, call: Callable, *arguments: Any) -> Any:
    """What a call returns; what it says of a file names the row too."""
    try:
        return call(*arguments)
    except UserError as error:
        raise UserError(f"{entry.where}: {error}") from error


def warn_of_copies(table: Path, entries: Sequence[Entry]) -> None:
    """Says how many rows name an image that a row before has named, and whether labels differ."""
    first: dict[Path, Entry] = {}
    copies = [entry for entry in entries if first.setdefault(entry.file, entry) is not entry]
    others = [entry for entry in copies if entry.label != first[entry.file].label]
    if copies:
        differ = f", {len(others):,} of them with other labels" if others else ""
        warn(
            f"{table}: {len(copies):,} of {len(entries):,} rows name an image again{differ}, which "
            f"counts again; first {(others or copies)[0].where}"
        )


def _entry(table: Path, row: Row | UserError, ways: Sequence[Way]) -> Entry:
    label = numbers(row, ways)
    return Entry(row.where, _file(table, row), label)


def _file(table: Path, row: Row) -> Path:
    """The image of a row; relative or absolute, it lies below the folder of the table."""
    text = row.cells["file"].strip()
    if "\\" in text and not (table.parent / text).exists():
        text = text.replace("\\", "/")  # a table from Windows
    if PureWindowsPath(text).drive and not (table.parent / text).exists():
        raise UserError(
            f"{row.where}: file {shown(text)} is a path of Windows; make it relative to the table"
        )
    path = os.path.normpath(os.path.join(os.path.abspath(table.parent), text))
    below = os.path.relpath(path, os.path.abspath(table.parent))
    if not PurePosixPath(text).name or below == "." or below.split("/")[0] == "..":
        raise UserError(f"{row.where}: file {shown(text)} is not below the folder of the table")
    return table.parent / below


def _uneven_lengths(entries: Mapping[int, Entry], ways: Sequence[Way]) -> dict[int, UserError]:
    if VECTOR not in ways:
        return {}
    rows = list(entries)
    vectors = [(entries[row].where, entries[row].label["gaze"]) for row in rows]
    return {rows[i]: error for i, error in table_labels.check_lengths(vectors).items()}
