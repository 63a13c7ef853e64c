"""What a job has made, file by file: a journal while it runs, a manifest in JSON at its end."""

import contextlib
import json
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import write_json

JOURNALS = ".refine"
NAME = "refine_manifest"

Record = dict[str, Any]


class Manifest:
    """The files of one part of a job, in an output folder that parts share; a context manager.

    Each finished file is a line in .refine/PART.jsonl; a line is written after its file. When the part
    is over, the lines become refine_manifest.json (refine_manifest.PART.json where there are several
    parts), and the journal goes away.
    """

    def __init__(
        self,
        output: Path,
        shard: tuple[int, int],
        about: Mapping[str, Any],
        overwrite: bool,
    ):
        """Finds out what is finished.

        Args:
            output: folder, made if missing.
            shard: (i, n) for part i of n.
            about: "model" and "settings" that decide how files come out, and more.
            overwrite: whether what others left there does not count.

        Raises:
            UserError: the folder has files of another model, other settings or unknown origin, and
                `overwrite` is not set; or it cannot be written.
        """
        self.about = dict(about)
        self.records: dict[str, Record] = {}
        part, self._parts = "{}-of-{}".format(*shard), shard[1]
        self._output, self._journal = output, output / JOURNALS / f"{part}.jsonl"
        self.scratch = output / JOURNALS / part
        self.path = output / (f"{NAME}.json" if self._parts == 1 else f"{NAME}.{part}.json")
        logs = [*output.glob(f"{NAME}*.json"), *output.glob(f"{JOURNALS}/*.jsonl")]
        if not (logs or overwrite) and output.is_dir() and any(output.iterdir()):
            raise UserError(
                f"{output}: is not empty and was not made by refine; name another folder, or set "
                "--overwrite"
            )
        self._known, self._lock = {}, threading.Lock()
        for log in logs:
            theirs, records = _read(log)
            if theirs and not _same(self.about, theirs) and not overwrite:
                raise UserError(
                    f"{log}: was made with another model or other settings; name another folder, "
                    "or set --overwrite"
                )
            if _same(self.about, theirs):
                self._known |= records
        with _writing(output):
            self.scratch.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Manifest":
        """Opens the journal."""
        with _writing(self._output):
            self._file = self._journal.open("a")
            # The first newline ends a line that a kill may have cut short.
            self._file.write("\n" + json.dumps({"about": self.about}) + "\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Keeps the journal after an error, for the next run to go on from."""
        with self._lock:
            self._file.close()
        if kind is None:
            write_json(
                self.path, self.about | {"files": dict(sorted(self.records.items()))}, levels=2
            )
            self._journal.unlink()
            shutil.rmtree(self.scratch, ignore_errors=True)
            if len(list(self._output.glob(f"{NAME}.*-of-{self._parts}.json"))) % self._parts == 0:
                with contextlib.suppress(OSError):
                    self._journal.parent.rmdir()

    def finished(self, name: str, source: Any) -> bool:
        """Whether a file was made from this very source before; then it counts as made now."""
        record = self._known.get(name)
        if not record or record["source"] != source or not (self._output / name).exists():
            return False
        self.records[name] = record
        return True

    def add(self, name: str, record: Record) -> None:
        """Notes a file that is in place; from any thread."""
        with self._lock, _writing(self._output):
            self.records[name] = record
            self._file.write(json.dumps({name: record}) + "\n")
            self._file.flush()


@contextlib.contextmanager
def _writing(output: Path):
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{output}: cannot be written ({error.strerror}); free space, or name another folder"
        ) from error


def _same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether files come out the same under both."""
    return bool(theirs) and json.dumps(_deciding(ours)) == json.dumps(_deciding(theirs))


def _deciding(about: Mapping[str, Any]) -> list[Any]:
    return [about["model"]["sha256"], sorted(about["settings"].items())]


def _read(log: Path) -> tuple[dict[str, Any], dict[str, Record]]:
    """What a manifest or journal is about, and its records; lines cut short by a kill are left out."""
    about, records = {}, {}
    try:
        text = log.read_text()
    except FileNotFoundError:  # a part that ended just now
        return about, records
    if log.suffix == ".json":
        about = json.loads(text)
        return about, about.pop("files")
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            for name, value in json.loads(line).items():
                if name != "about":
                    records[name] = value
                elif not _same(value, about):
                    about, records = value, {}
    return about, records
