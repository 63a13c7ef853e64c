"""Reads MATLAB files of versions 5 to 7 that nobody has checked.

scipy's reader ends the whole process on some damaged files. This one reads only what data sets are
made of (numbers, texts, cells and structs; plain or compressed), looks at every length before it uses
it, and allocates no more than the file (unpacked, and that is bounded) holds.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simgan_jax.errors import UserError, regular

MAX_BYTES = 500_000_000
MAX_VARIABLE_BYTES = 250_000_000  # packed numbers may unpack to eight times as many bytes
_MAX_DEPTH = 8
_COMPRESSED, _MATRIX = 15, 14
_STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_NUMERIC = dict(enumerate(("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"), start=6))
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_COMPLEX = 0x0800


def read_mat(path: Path, names: Sequence[str], max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Variables of a MATLAB file of versions 5 to 7 (7.3 is HDF5, another format).

    Args:
        path: the file.
        names: the variables to read; all must be there.
        max_bytes: refuses a file that is larger, packed or unpacked.

    Returns:
        By name: an array for numbers, a str for text of one row (a list for more), a list for a cell
        array, a dict for a 1x1 struct (a list for other sizes); columns first where a list is flat.

    Raises:
        UserError: missing, damaged, too large, of another version, or without these variables.
    """
    if regular(path).st_size > max_bytes:
        raise UserError(f"{path}: larger than {max_bytes:,} bytes")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or 'unreadable'}") from None
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(content[124:128])
    if order is None:
        raise UserError(f"{path}: not a MATLAB file of version 5 to 7 (save with -v7)")
    try:
        found = dict(_variables(content, order, names, max_bytes))
    except _DamagedError as error:
        raise UserError(f"{path}: damaged MATLAB file, {error}") from error
    for name in names:
        if name not in found:
            raise UserError(f"{path}: no variable {name!r}")
    return found


class _DamagedError(Exception):
    """What is wrong inside the file."""


class _Cursor:
    """Walks through the elements of a piece of the file.

    Raises:
        _DamagedError: by every method that reads, where the piece ends or holds something else.
    """

    def __init__(self, content: memoryview, order: str):
        self.content, self.order, self.position = content, order, 0

    def left(self) -> int:
        return len(self.content) - self.position

    def take(self, count: int) -> memoryview:
        if not 0 <= count <= self.left():
            raise _DamagedError("cut short")
        piece = self.content[self.position : self.position + count]
        self.position += count
        return piece

    def element(self) -> tuple[int, memoryview]:
        """Type and content of the next element."""
        tag = self.take(8)
        kind, size = struct.unpack(self.order + "II", tag)
        if kind >> 16:  # a small element: type and size in four bytes, content in the next four
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise _DamagedError("a small element with more than 4 bytes")
            return kind, tag[4 : 4 + size]
        content = self.take(size)
        if kind != _COMPRESSED:
            self.take(min(-size % 8, self.left()))
        return kind, content

    def numbers(self, wanted: str | None = None) -> np.ndarray:
        """The next element as numbers, of the given type only or of any."""
        kind, content = self.element()
        stored = _STORED.get(kind)
        if stored is None or (wanted and stored != wanted):
            raise _DamagedError(f"an element of type {kind} in a wrong place")
        if len(content) % np.dtype(stored).itemsize:
            raise _DamagedError("an element that ends inside a number")
        return np.frombuffer(content, self.order + stored)


def _variables(
    content: bytes, order: str, names: Sequence[str], max_bytes: int
) -> Iterator[tuple[str, Any]]:
    """Name and value of each variable that is asked for."""
    cursor = _Cursor(memoryview(content)[128:], order)
    budget = max_bytes
    while cursor.left() >= 8:
        kind, body = cursor.element()
        if kind == _COMPRESSED:
            unpacked = _unpack(body, min(budget, MAX_VARIABLE_BYTES))
            budget -= len(unpacked)
            kind, body = _Cursor(memoryview(unpacked), order).element()
        if kind != _MATRIX:
            raise _DamagedError(f"an element of type {kind} in a variable's place")
        name, value = _matrix(_Cursor(body, order), names, 0)
        if name in names:
            yield name, value


def _unpack(packed: memoryview, budget: int) -> bytes:
    """Unpacks one compressed element, up to a size."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, budget + 1)
    except zlib.error as error:
        raise _DamagedError("packed data do not unpack") from error
    if len(unpacked) > budget:
        raise _DamagedError("unpacks to more than is read")
    if not unpacker.eof:
        raise _DamagedError("cut short")
    return unpacked


def _matrix(cursor: _Cursor, names: Sequence[str] | None, depth: int) -> tuple[str, Any]:
    """Name and value of an array; the value is None where its name is not asked for."""
    if cursor.left() == 0:
        return "", np.zeros((0, 0))
    if depth > _MAX_DEPTH:
        raise _DamagedError(f"nested deeper than {_MAX_DEPTH}")
    flags = cursor.numbers("u4")
    shape = tuple(int(size) for size in cursor.numbers("i4"))
    name = cursor.numbers("i1").tobytes().decode("latin-1")
    if names is not None and name not in names:
        return name, None
    if len(flags) != 2 or not 2 <= len(shape) <= 8 or min(shape) < 0:
        raise _DamagedError(f"{name or 'an array'} has shape {shape}")
    kind, count = int(flags[0]) & 0xFF, math.prod(shape)
    if flags[0] & _COMPLEX:
        raise _DamagedError(f"{name or 'an array'} is complex")
    if kind in _NUMERIC:
        return name, _array(cursor.numbers(), _NUMERIC[kind], shape)
    if kind == _CHAR:
        return name, _text(cursor, shape)
    if kind == _CELL:
        return name, _matrices(cursor, count, depth)
    if kind == _STRUCT:
        return name, _structs(cursor, count, depth)
    raise _DamagedError(f"{name or 'an array'} is of class {kind}, which holds no data")


def _array(numbers: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    if math.prod(shape) != len(numbers):
        raise _DamagedError(f"{len(numbers)} numbers in an array of shape {shape}")
    if len(numbers) * np.dtype(dtype).itemsize > MAX_VARIABLE_BYTES:
        raise _DamagedError(f"an array of more than {MAX_VARIABLE_BYTES:,} bytes")
    # MATLAB stores whole numbers in the smallest type that holds them.
    return numbers.astype(np.dtype(dtype)).reshape(shape, order="F")


def _text(cursor: _Cursor, shape: tuple[int, ...]) -> str | list[str]:
    kind, content = cursor.element()
    encoding = _TEXT.get(kind)
    if encoding is None:
        raise _DamagedError(f"a text of type {kind}")
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if cursor.order == "<" else "-be"
    try:
        letters = bytes(content).decode(encoding)
    except UnicodeDecodeError as error:
        raise _DamagedError("a text that is not one") from error
    if len(letters) != math.prod(shape):
        raise _DamagedError(f"{len(letters)} letters in a text of shape {shape}")
    rows = shape[0]
    return letters if rows <= 1 else [letters[row::rows] for row in range(rows)]


def _matrices(cursor: _Cursor, count: int, depth: int) -> list[Any]:
    if count * 8 > cursor.left():
        raise _DamagedError(f"{count:,} arrays in {cursor.left():,} bytes")
    values = []
    for _ in range(count):
        kind, body = cursor.element()
        if kind != _MATRIX:
            raise _DamagedError(f"an element of type {kind} in an array's place")
        values.append(_matrix(_Cursor(body, cursor.order), None, depth + 1)[1])
    return values


def _structs(cursor: _Cursor, count: int, depth: int) -> Any:
    length = cursor.numbers("i4")
    packed = cursor.numbers("i1").tobytes()
    if len(length) != 1 or length[0] < 1 or len(packed) % int(length[0]):
        raise _DamagedError("field names of a struct")
    size = int(length[0])
    fields = [
        packed[start : start + size].split(b"\0")[0].decode("latin-1")
        for start in range(0, len(packed), size)
    ]
    values = iter(_matrices(cursor, count * len(fields), depth))
    structs = [{field: next(values) for field in fields} for _ in range(count)] if fields else []
    return structs[0] if len(structs) == 1 else structs
