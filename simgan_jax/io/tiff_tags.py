"""The directories of a TIFF file: its tags, read as they are and written again around other pixels.

A file is a chain of directories, one an image. A directory is a list of entries: a tag, the kind and
number of its values, and the values or where they lie (TIFF 6.0, section 2; BigTIFF has wider numbers).
EXIF and GPS tags lie in directories of their own, to which an entry of the image points.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

SHORT, LONG, LONG8 = 3, 4, 16
# NumPy's type of each kind of value; what is no number is bytes.
KINDS = {1: "u1", 2: "S1", SHORT: "u2", LONG: "u4", 5: "2u4", 6: "i1", 7: "V1", 8: "i2", 9: "i4"}
KINDS |= {10: "2i4", 11: "f4", 12: "f8", 13: "u4", LONG8: "u8", 17: "i8", 18: "u8"}
EXIF, GPS, INTEROPERABILITY = 34665, 34853, 40965
POINTERS = (EXIF, GPS, INTEROPERABILITY)


class Entry(NamedTuple):
    """One tag.

    Attributes:
        tag: its number.
        kind: of its values, a key of `KINDS`.
        count: of its values.
        data: the values, in the byte order of the file; of a pointer, nothing.
        entries: of the directory that a pointer leads to.
    """

    tag: int
    kind: int
    count: int
    data: bytes
    entries: tuple["Entry", ...] = ()


Directory = tuple[Entry, ...]


@dataclass(frozen=True)
class Form:
    """How numbers are written in a file.

    Attributes:
        order: "<" for little-endian, ">" for big-endian.
        big: whether it is a BigTIFF.
    """

    order: str
    big: bool

    @property
    def offset(self) -> str:
        """Code of a place in the file, for `struct`."""
        return self.order + ("Q" if self.big else "I")

    @property
    def head(self) -> str:
        """Code of tag, kind and count of an entry."""
        return self.order + ("HHQ" if self.big else "HHI")

    @property
    def length(self) -> str:
        """Code of the number of entries of a directory."""
        return self.order + ("Q" if self.big else "H")

    @property
    def start(self) -> bytes:
        """The file's first bytes, up to the place of the first directory."""
        mark = b"II" if self.order == "<" else b"MM"
        rest = (43, 8, 0) if self.big else (42,)
        return mark + struct.pack(f"{self.order}{len(rest)}H", *rest)

    def values(self, entry: Entry) -> tuple[int, ...]:
        """The numbers of an entry."""
        return tuple(np.frombuffer(entry.data, self.order + KINDS[entry.kind]).tolist())

    def entry(self, tag: int, kind: int, *values: int) -> Entry:
        """An entry of numbers."""
        data = np.array(values, self.order + KINDS[kind]).tobytes()
        return Entry(tag, kind, len(values), data)


def read(file: BinaryIO) -> tuple[Form, list[Directory]]:
    """All directories of a file, in order; entries that point out of the file are left out.

    Raises:
        ValueError: not a TIFF file, or its directories are damaged.
    """
    return _Reader(file).read()


class Writer:
    """A file in the making: `place` what images consist of, then their directories, one by one.

    Args:
        form: of its numbers.
        content: a file, also of another byte order, whose pixels stay where they are; its directories
            are no longer pointed at.
    """

    def __init__(self, form: Form, content: bytes = b""):
        self.form = form
        self._link = len(form.start)  # where the place of the next directory is written
        empty = form.start + bytes(struct.calcsize(form.offset))
        self._file = bytearray(empty + content[len(empty) :])

    def place(self, data: bytes) -> int:
        """Appends bytes; says where they are."""
        self._file += bytes(len(self._file) % 2)
        self._file += data
        return len(self._file) - len(data)

    def image(self, entries: Directory) -> None:
        """Appends the directory of the next image."""
        place = self._directory(entries)
        struct.pack_into(self.form.offset, self._file, self._link, place)
        self._link = len(self._file) - struct.calcsize(self.form.offset)

    def finished(self) -> bytes:
        """The whole file."""
        return bytes(self._file)

    def _directory(self, entries: Directory) -> int:
        form, width = self.form, struct.calcsize(self.form.offset)
        cells = []
        for entry in sorted(entries, key=lambda entry: entry.tag):
            data = entry.data
            if entry.tag in POINTERS:
                data = struct.pack(form.offset, self._directory(entry.entries))
            if len(data) > width:
                data = struct.pack(form.offset, self.place(data))
            head = struct.pack(form.head, entry.tag, entry.kind, entry.count)
            cells.append(head + data.ljust(width, b"\0"))
        return self.place(struct.pack(form.length, len(cells)) + b"".join(cells) + bytes(width))


class _Reader:
    def __init__(self, file: BinaryIO):
        self._file = file
        self._size = self._left = file.seek(0, io.SEEK_END)
        file.seek(0)
        start = file.read(4)
        forms = [Form(order, big) for order in "<>" for big in (False, True)]
        self._form = next((form for form in forms if form.start[:4] == start), None)
        if self._form is None:
            raise ValueError("no TIFF file")

    def read(self) -> tuple[Form, list[Directory]]:
        directories, places = [], set()
        place = self._number(len(self._form.start), self._form.offset)
        while place and place not in places:
            places.add(place)
            entries, place = self._directory(place)
            directories.append(entries)
        return self._form, directories

    def _bytes(self, place: int, size: int) -> bytes:
        """Data of the file; altogether no more than it has, however often they are pointed at."""
        if place + size > self._size or size > self._left:
            raise ValueError("a directory points out of the file")
        self._left -= size
        self._file.seek(place)
        return self._file.read(size)

    def _number(self, place: int, code: str) -> int:
        return struct.unpack(code, self._bytes(place, struct.calcsize(code)))[0]

    def _directory(self, place: int, depth: int = 0) -> tuple[Directory, int]:
        """Entries of a directory, and the place of the next."""
        form = self._form
        count, place = self._number(place, form.length), place + struct.calcsize(form.length)
        head, width = struct.calcsize(form.head), struct.calcsize(form.offset)
        cells = self._bytes(place, count * (head + width))
        entries = []
        for start in range(0, len(cells), head + width):
            cell = cells[start : start + head + width]
            tag, kind, number = struct.unpack(form.head, cell[:head])
            try:
                entries.append(self._entry(tag, kind, number, cell[head:], depth))
            except (ValueError, KeyError):
                continue
        return tuple(entries), self._number(place + len(cells), form.offset)

    def _entry(self, tag: int, kind: int, count: int, field: bytes, depth: int) -> Entry:
        size = count * np.dtype(KINDS[kind]).itemsize
        (place,) = struct.unpack(self._form.offset, field)
        if tag in POINTERS:
            if depth > 2:
                raise ValueError("directories within each other")
            kind = LONG8 if self._form.big else LONG
            return Entry(tag, kind, 1, b"", self._directory(place, depth + 1)[0])
        return Entry(
            tag, kind, count, field[:size] if size <= len(field) else self._bytes(place, size)
        )
