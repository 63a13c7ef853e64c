"""What a job has made, file by file: a journal while it runs, a manifest in JSON at its end."""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import write_json
from simgan_jax.io.locks import Held, holding

JOURNALS = ".refine"
NAME = "refine_manifest"
# What manifests of before a setting existed were made with.
BEFORE = {"strength": 1.0}

Record = dict[str, Any]
Log = tuple[dict[str, Any], dict[str, Record]]


class Manifest:
    """The files of one part of a job, in an output folder that parts share; a context manager.

    Each finished file is a line in .refine/PART.jsonl; a line is written after its file. When the part
    is over, the lines become refine_manifest.json (refine_manifest.PART.json where there are several
    parts), and the journal goes away. A folder holds one input, refined by one model with one set of
    settings; .refine/PART.lock keeps two processes from doing one part.
    """

    def __init__(
        self,
        output: Path,
        shard: tuple[int, int],
        about: Mapping[str, Any],
        sources: Mapping[str, Any],
        overwrite: bool,
    ):
        """Touches nothing yet.

        Args:
            output: folder, made if missing.
            shard: (i, n) for part i of n.
            about: "input", "model" and "settings", which decide how files come out, and more.
            sources: of every file of the whole input by name, what changes when it does.
            overwrite: whether to replace and remove what others left there.
        """
        self.about = dict(about)
        self.records: dict[str, Record] = {}
        part, self._parts = "{}-of-{}".format(*shard), shard[1]
        self._output, self._journal = output, output / JOURNALS / f"{part}.jsonl"
        self.scratch = output / JOURNALS / part
        self.path = output / (f"{NAME}.json" if self._parts == 1 else f"{NAME}.{part}.json")
        self._sources, self._overwrite = sources, overwrite
        self._known: dict[str, Record] = {}
        self._lock, self._open = threading.Lock(), contextlib.ExitStack()

    def __enter__(self) -> "Manifest":
        """Finds out what is finished, and opens the journal.

        Raises:
            UserError: the folder has files of another input, another model, other settings or unknown
                origin, or of files that the input has no more, and `overwrite` is not set; another
                process does this part; or the folder cannot be written.
        """
        if not (self._logs() or self._overwrite) and _is_filled(self._output):
            raise UserError(
                f"{self._output}: is not empty and was not made by refine; name another folder, or set "
                "--overwrite"
            )
        with self._open, _writing(self._output):
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            self._open.callback(self._tidy)
            self._open.enter_context(self._alone(self._journal))
            self._adopt()
            self.scratch.mkdir(exist_ok=True)
            is_new = not self._journal.exists()
            self._file = self._open.enter_context(self._journal.open("a"))
            # The first newline ends a line that a kill may have cut short.
            self._file.write("\n" + json.dumps({"about": self.about}) + "\n")
            self._file.flush()
            try:
                self._agree()  # with processes that have begun since; they see this line
            except UserError:
                if is_new:
                    self._journal.unlink()
                raise
            self._open = self._open.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Keeps the journal after an error, for the next run to go on from."""
        with self._open, self._lock:
            if kind is None:
                files = {"files": dict(sorted(self.records.items()))}
                write_json(self.path, self.about | files, levels=2, scratch=self.scratch)
                self._journal.unlink()
                shutil.rmtree(self.scratch, ignore_errors=True)

    def finished(self, name: str, source: Any, action: str) -> bool:
        """Whether the same was done with this very source before; then it counts as done now."""
        record = self._known.get(name)
        same = record and (record["source"], record["action"]) == (source, action)
        if not same or not (self._output / name).exists():
            return False
        self.records[name] = record
        return True

    def add(self, name: str, record: Record) -> None:
        """Notes a file that is in place; from any thread."""
        with self._lock, _writing(self._output):
            self.records[name] = record
            self._file.write(json.dumps({name: record}) + "\n")
            self._file.flush()

    def _logs(self) -> list[Path]:
        return [
            *self._output.glob(f"{NAME}*.json"),
            *self._output.glob(f"{JOURNALS}/*.jsonl"),
        ]

    def _adopt(self) -> None:
        """Takes over what was made alike; refuses, or removes, all else."""
        self._agree()
        others, left = [], set()
        for log in self._logs():
            about, records = _read(log)
            if about and self._differs(about, records):
                others.append(log)
            else:
                self._known |= records
            left |= records.keys() - self._sources.keys()
        left = sorted(name for name in left if self._is_here(name))
        if left and not self._overwrite:
            raise UserError(
                f"{self._output / left[0]}: was made of a file that {self.about['input']} has no more"
                f"{_more(left)}; remove it, name another folder, or set --overwrite, which removes it"
            )
        for path in [*(self._output / name for name in left), *others]:
            path.unlink(missing_ok=True)

    def _agree(self) -> None:
        """Refuses what was made or is being made otherwise."""
        for log in self._logs():
            about, records = _read(log)
            reason = about and self._differs(about, records)
            if not reason:
                continue
            if log.suffix == ".jsonl":
                with self._alone(log) if log != self._journal else contextlib.nullcontext():
                    pass  # nobody is at work on it
            if not self._overwrite:
                raise UserError(f"{log}: {reason}; name another folder, or set --overwrite")

    def _differs(self, theirs: Mapping[str, Any], records: Mapping[str, Record]) -> str:
        """Why files of another log do not belong with ours; "" if they do."""
        if _decisive(self.about) != _decisive(theirs):
            return "was made with another model or other settings"
        if _place(self.about) == _place(theirs):
            return ""
        # A folder that was moved, or is mounted elsewhere.
        if records and all(self._sources.get(x) == y["source"] for x, y in records.items()):
            return ""
        return f"was made of another input, {theirs.get('input')}"

    def _is_here(self, name: str) -> bool:
        """Whether a log's name is that of a file in the output folder and not outside it."""
        path = self._output / name
        return path.parent.resolve().is_relative_to(self._output.resolve()) and path.is_file()

    @contextlib.contextmanager
    def _alone(self, journal: Path) -> Iterator[None]:
        try:
            with holding(journal.with_suffix(".lock")):
                yield
        except Held as holder:
            raise UserError(
                f"{self._output}: {holder} is refining into it; wait for it, name another folder, or "
                "share the work with --shard=i/n"
            ) from None

    def _tidy(self) -> None:
        """Removes .refine where nothing is left in it, unless parts of this job are still to come."""
        if len(list(self._output.glob(f"{NAME}.*-of-{self._parts}.json"))) % self._parts == 0:
            with contextlib.suppress(OSError):
                self._journal.parent.rmdir()


def _is_filled(folder: Path) -> bool:
    """Whether there is more than what a part makes first, which a kill may have left alone there."""
    return folder.is_dir() and any(path.name != JOURNALS for path in folder.iterdir())


def _more(names: list[str]) -> str:
    return f", and {len(names) - 1:,} more" if names[1:] else ""


@contextlib.contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{output}: cannot be written ({error.strerror}); free space, or name another folder"
        ) from error


def _decisive(about: Mapping[str, Any]) -> list[Any]:
    """What decides how a file comes out."""
    settings = BEFORE | dict(about["settings"])
    return [about["model"]["sha256"], sorted(settings.items())]


def _place(about: Mapping[str, Any]) -> str:
    return os.path.realpath(str(about.get("input")))


def _read(log: Path) -> Log:
    """What a manifest or journal is about, and its records.

    Lines cut short by a kill are left out.

    Raises:
        UserError: a manifest is damaged.
    """
    try:
        text = log.read_text()
    except FileNotFoundError:  # of a part that ended just now
        return {}, {}
    except UnicodeDecodeError:
        text = ""
    if log.suffix == ".json":
        about = _entry(text)
        records = about.pop("files", None)
        if not (_is_whole(about) and isinstance(records, dict)):
            raise UserError(
                f"{log}: damaged; remove it, and set --overwrite to make its files anew"
            )
        return about, _records(records)
    about, records = {}, {}
    for entry in map(_entry, text.splitlines()):
        ours = entry.pop("about", about)
        if _is_whole(ours) and (not about or _key(ours) != _key(about)):
            about, records = ours, {}
        records |= _records(entry)
    return about, records


def _entry(line: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(line)
        if isinstance(content, dict):
            return content
    return {}


def _records(entries: Mapping[str, Any]) -> dict[str, Record]:
    return {
        name: record
        for name, record in entries.items()
        if isinstance(record, dict) and {"source", "action"} <= record.keys()
    }


def _is_whole(about: Any) -> bool:
    try:
        return bool(_key(about))
    except (TypeError, KeyError, ValueError, AttributeError):
        return False


def _key(about: Mapping[str, Any]) -> tuple[list[Any], str]:
    return _decisive(about), _place(about)
