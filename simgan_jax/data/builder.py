"""What the three TFDS builders share: work on all cores, resumable, and a count of what was skipped.

The source files are cut into jobs (see `jobs`), whose chunks lie beside the set; a preparation that was
stopped finds those that are there and does the others. TFDS writes the set from them, and when it is
written they are deleted. At no time are more than a few chunks and the gigabyte that TFDS sorts at once
in memory, beside the names of the files.
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow_datasets as tfds

from simgan_jax.data.jobs import Job, Pool, end_if_unguarded, run
from simgan_jax.errors import UserError, printable
from simgan_jax.io.locks import alone

SKIPPED = "skipped.txt"


class ManualBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder over files that the user puts in a folder.

    Subclasses give `VERSION`, `RELEASE_NOTES`, `MANUAL_DOWNLOAD_INSTRUCTIONS`, `_info` and `jobs`. The
    set is written as array_record, which needs no TensorFlow.
    """

    # Nothing is downloaded. (TFDS's own answer needs a package that it does not install.)
    url_infos = None

    def __init__(self, *, file_format: str | None = None, **keywords: Any):
        """As any TFDS builder, with another default.

        Args:
            file_format: array_record unless named.
            **keywords: `data_dir`, `config`, `version`.
        """
        super().__init__(file_format=file_format or "array_record", **keywords)
        self._on_error = "stop"
        self._chunks: Path | None = None
        self._pool = Pool(1)
        self._faults: list[str] = []

    def jobs(self, folder: Path, on_error: str) -> dict[str, list[Job]]:
        """The work by split.

        Args:
            folder: of the user's files.
            on_error: "stop" or "skip"; what `collect` and the work functions are to do.

        Raises:
            UserError: files are missing: which, and where they should be.
        """
        raise NotImplementedError

    def prepare(self, folder: Path, workers: int, on_error: str = "stop") -> list[str]:
        """Prepares the set, or goes on where an earlier preparation stopped.

        Args:
            folder: of the user's files.
            workers: processes.
            on_error: "stop" at damaged input, or "skip" it.

        Returns:
            A line for each skipped piece of input.

        Raises:
            UserError: missing or damaged input, no room, another preparation of the set is running.
        """
        end_if_unguarded()
        if self.is_prepared():
            return []
        if not folder.is_dir():
            raise UserError(
                f"{folder}: no such folder. {one_line(self.MANUAL_DOWNLOAD_INSTRUCTIONS)}"
            )
        tfds.disable_progress_bar()
        target = Path(self.data_dir)
        self._chunks = Path(f"{target}.chunks")
        self._on_error = on_error
        with alone(self._chunks / "lock", "prepared"):
            for leftover in target.parent.glob(f"incomplete.*_{target.name}"):
                shutil.rmtree(leftover)  # what TFDS had written when it was killed
            config = tfds.download.DownloadConfig(manual_dir=folder)
            try:
                # TFDS speaks of downloads.
                with redirect_stdout(io.StringIO()), Pool(workers) as self._pool:
                    self.download_and_prepare(download_config=config)
                lines = "".join(fault + "\n" for fault in self._faults)
                (target / SKIPPED).write_text(lines, "utf-8")
            except RuntimeError as error:  # of the writer of records
                if "write() failed" not in str(error):
                    raise
                raise UserError(
                    f"{target}: cannot be written ({one_line(str(error))[:150]}); free space or name "
                    "another place with --data_dir"
                ) from error
            except OSError as error:
                raise UserError(
                    f"{target}: cannot be written ({error.strerror or error}); free space or "
                    "name another place with --data_dir"
                ) from error
        shutil.rmtree(self._chunks)
        return self._faults

    def is_prepared(self) -> bool:
        """Whether the set is there, whole."""
        return (Path(self.data_dir) / "dataset_info.json").exists()

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        splits = self.jobs(Path(dl_manager.manual_dir), self._on_error)
        self._pool.limit(sum(map(len, splits.values())))
        return {name: self._generate_examples(name, jobs) for name, jobs in splits.items()}

    def _generate_examples(self, split: str, jobs: list[Job]) -> Iterator[tuple[str, dict]]:
        examples = 0
        with TemporaryDirectory() if self._chunks is None else nullcontext(self._chunks) as folder:
            what = f"{self.info.full_name} {split}"
            for chunk in run(jobs, Path(folder), self._pool, what):
                self._faults += map(printable, chunk.faults)
                names = chunk.examples.get("name", [])
                for row, name in enumerate(names):
                    yield str(name), {key: values[row] for key, values in chunk.examples.items()}
                examples += len(names)
        if not examples:
            first = self._faults[0] if self._faults else "no input"
            raise UserError(f"{self.info.full_name}: no example is left in {split}; first: {first}")


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())
