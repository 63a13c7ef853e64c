"""Tables in CSV files as people write them: by hand, with spreadsheets, with scripts."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

from simgan_jax.data.label_values import shown
from simgan_jax.errors import UserError, regular

SEPARATORS = ",;\t"


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        where: the file and the line at which the row begins, the first being 1.
        cells: text by the name of the column.
    """

    where: str
    cells: dict[str, str]


def read(path: Path) -> tuple[list[str], list[Row | UserError]]:
    """The names of the columns and the rows.

    The first line that is not empty names the columns. Commas, semicolons or tabs separate them,
    whichever that line has most of. Rows without any text are left out, as are columns without a name.

    Args:
        path: of the file; UTF-8, with or without a byte order mark.

    Returns:
        Names, and rows; in place of a row with too few or too many values, what is wrong with it.

    Raises:
        UserError: no such file, not UTF-8, not CSV, no row, or a name that is there twice.
    """
    regular(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or 'unreadable'}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not readable as CSV in UTF-8 ({error}); save it so") from error
    first = next((line for line in io.StringIO(text) if line.strip(SEPARATORS + " \n")), "")
    separator = max(SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    numbered, end = [], 0
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                numbered.append((end + 1, cells))
            end = lines.line_num
    except csv.Error as error:
        raise UserError(f"{path}, row {end + 1}: not readable as CSV ({error})") from error
    if not numbered:
        raise UserError(f"{path}: is empty; its first line names the columns")
    if not numbered[1:]:
        raise UserError(f"{path}: no row below the names of the columns")
    names = [name.strip() for name in numbered[0][1]]
    while names and not names[-1]:
        names.pop()
    named = [name for name in names if name]
    if len(set(named)) != len(named):
        raise UserError(f"{path}: a column name is there twice: {shown(','.join(names))}")
    return named, [_row(f"{path}, row {number}", cells, names) for number, cells in numbered[1:]]


def _row(where: str, cells: list[str], names: list[str]) -> Row | UserError:
    if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
        return UserError(f"{where}: {len(cells)} values for {len(names)} columns")
    return Row(where, {name: cell for name, cell in zip(names, cells, strict=False) if name})
