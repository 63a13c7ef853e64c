"""Reads, refines and writes the files of a folder or the rows of a data set, all at the same time.

Threads decode and encode, the caller's thread refines; `Manifest` notes each file that is finished.
"""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError, counted
from simgan_jax.io import codecs
from simgan_jax.io.atomic import write_bytes
from simgan_jax.io.background import ahead
from simgan_jax.io.progress import progress
from simgan_jax.refinement.inputs import Entry, Folder, Options, Rows
from simgan_jax.refinement.jobs import Job
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.refinement.manifest import Manifest
from simgan_jax.refinement.refiner import Refine
from simgan_jax.refinement.specifications import (
    check_apart,
    folders_of,
    is_folder,
    specification,
)

# Each size of window is compiled. Images of the most frequent sizes are refined at once; those of other
# sizes through windows with sides of this ladder, which fit many sizes.
WHOLE_SIZES = 8
LADDER = (512, 384, 256, 192, 128, 96, 64, 48, 32)


def refine(
    workdir: str | Path,
    source: str,
    output: str | Path,
    options: Options | None = None,
    **refiner_options: Any,
) -> Manifest:
    """Refines a folder, or a data set given as `name:key=value,key=value`.

    Args:
        workdir: of the run, or a file of weights.
        source: folder; or a name in `data.SOURCES` with keyword arguments, whose height and width are
            those of the run by default; or "synthetic", "real", "test": a set of the run.
        output: folder; made if missing.
        options: see `Options`.
        **refiner_options: of `load_refiner`.

    Returns:
        What was made, as in refine_manifest.json.

    Raises:
        UserError: no run, no input, an unreadable image, an output folder of another model or other
            settings, or one that cannot be written.
    """
    options = options or Options()
    source, output = os.path.expanduser(source), Path(output).expanduser()
    from_folder = is_folder(source)
    refiner = load_refiner(workdir, **refiner_options)
    if from_folder:
        return refine_folder(refiner, source, output, options, str(workdir))
    spec = specification(source, refiner.config)
    check_apart(output, *folders_of(spec))
    return refine_arrays(refiner, data.load(spec), output, options, source, str(workdir))


def refine_folder(
    refiner: Refine,
    source: str | Path,
    output: str | Path,
    options: Options,
    workdir: str = "",
) -> Manifest:
    """Refines every image of a folder and copies every other file.

    Args:
        refiner: of `load_refiner`.
        source: folder.
        output: folder, not in the former; made if missing.
        options: see `Options`.
        workdir: where the refiner is from, for the manifest.

    Returns:
        What was made, as in refine_manifest.json.

    Raises:
        UserError: one folder lies in the other; the output was made of another input, by another model
            or with other settings, or cannot be written; there is no picture to refine; or one that
            cannot be read or looks like labels, unless the options say what to do.
    """
    source, output = Path(source), Path(output)
    check_apart(output, source)
    image = refiner.config and refiner.config.image
    sizes = [(image.height, image.width)] if image else []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Folder(source, options, pool, sizes)
        # Links may lead anywhere.
        check_apart(output, *{(source / entry.name).parent for entry in folder.entries})
        return _work(folder, refiner, output, options, workdir, pool)


def refine_arrays(
    refiner: Refine,
    arrays: Arrays,
    output: str | Path,
    options: Options,
    name: str = "arrays",
    workdir: str = "",
) -> Manifest:
    """Refines a data set into PNG files and labels.npz.

    Args:
        refiner: of `load_refiner`.
        arrays: images, uint8 or uint16, and labels, which stay as they are.
        output: folder; made if missing.
        options: see `Options`.
        name: of the set, for the manifest.
        workdir: where the refiner is from, for the manifest.

    Returns:
        What was made, as in refine_manifest.json.

    Raises:
        UserError: the output was made of another input, by another model or with other settings, or
            cannot be written.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return _work(Rows(arrays, name), refiner, Path(output), options, workdir, pool)


def _work(
    source: Folder | Rows,
    refiner: Refine,
    output: Path,
    options: Options,
    workdir: str,
    pool: Executor,
) -> Manifest:
    """One part of the job, what an earlier run has finished left out."""
    part, parts = options.shard
    entries = _planned(source.entries, refiner)[part::parts]
    about = {
        "model": {"workdir": workdir, "step": refiner.step, "sha256": refiner.sha256},
        "settings": {
            "jpeg_quality": options.jpeg_quality,
            "noise_seed": refiner.seed,
            "strength": refiner.strength,
        },
        "max_pixels": refiner.max_pixels,
        "jax": jax.__version__,
        **source.about,
    }
    sources = {entry.name: entry.source for entry in source.entries}
    with Manifest(output, options.shard, about, sources, options.overwrite) as manifest:
        todo = [x for x in entries if not manifest.finished(x.name, x.source, x.action)]
        todo.sort(key=lambda entry: (str(entry.window), entry.header.dtype if entry.header else ""))
        left, total = (sum(_images(entry) for entry in some) for some in (todo, entries))
        pipeline = _Pipeline(source, refiner, output, options, manifest, pool)
        with progress("refining", total, total - left) as advance:
            for entry in pipeline.run(todo):
                advance(_images(entry))
        manifest.about["failed"] = dict(sorted(source.failed.items()))
    _say(manifest, source, refiner, entries, len(entries) - len(todo))
    return manifest


@dataclass(frozen=True)
class _Pipeline:
    """Read, refine, write: the way of every file."""

    source: Folder | Rows
    refiner: Refine
    output: Path
    options: Options
    manifest: Manifest
    pool: Executor

    def run(self, entries: list[Entry]) -> Iterator[Entry]:
        """Yields entries as they are finished and noted."""
        read = ahead(self.pool, self._read_or_copy, entries, _values)
        refined = self.refiner.run(item for item in read if isinstance(item, Job))
        yield from ahead(self.pool, self._write, refined, lambda job: job.pixels.size, drain=True)

    def _read_or_copy(self, entry: Entry) -> Job | None:
        """An image to refine; None for what is copied here, or damaged and skipped."""
        if entry.header is None:
            path = self.output / entry.name
            if record := self.source.copy(entry, path, self.manifest.scratch):
                self.manifest.add(entry.name, record)
            return None
        picture = self.source.read(entry)
        if picture is None:
            return None
        # Row i of a set gets the noise that image i gets when the set is refined in one call.
        is_row = isinstance(self.source, Rows)
        rows = np.arange(len(picture.pixels)) + (entry.source[0] if is_row else 0)
        name = "" if is_row else entry.name
        return self.refiner.job(picture.pixels, name, rows, entry.window, tag=(entry, picture))

    def _write(self, job: Job) -> Entry:
        entry, picture = job.tag
        picture = replace(picture, pixels=job.result())
        content = codecs.encode(picture, self.options.jpeg_quality)
        write_bytes(self.output / entry.name, content, self.manifest.scratch, forced=False)
        sha256 = hashlib.sha256(content).hexdigest()
        record = {"sha256": sha256, "source": entry.source, "action": entry.action}
        self.manifest.add(entry.name, record)
        return entry


def _planned(entries: list[Entry], refiner: Refine) -> list[Entry]:
    """Entries with the size of their windows, which depends on the whole input, not on what is left."""
    counts: Counter = Counter()
    for entry in entries:
        if entry.header:
            counts[entry.header.shape[1:3]] += entry.header.shape[0]
    frequent = sorted(counts, key=lambda size: (-counts[size], size))[:WHOLE_SIZES]
    least = 4 * refiner.margin

    def window(height: int, width: int) -> tuple[int, int]:
        sides = refiner.window(height, width)
        if (height, width) in frequent:
            return sides
        return tuple(next((x for x in LADDER if least < x <= side), side) for side in sides)

    sizes = {size: window(*size) for size in counts}
    return [
        entry._replace(window=sizes[entry.header.shape[1:3]]) if entry.header else entry
        for entry in entries
    ]


def _images(entry: Entry) -> int:
    return entry.header.shape[0] if entry.header else 0


def _values(entry: Entry) -> int:
    return math.prod(entry.header.shape) if entry.header else 0


def _say(
    manifest: Manifest, source: Folder | Rows, refiner: Refine, entries: list[Entry], before: int
) -> None:
    """What was done, and what the user may not expect."""
    entries = [entry for entry in entries if entry.name in manifest.records]
    images = [entry for entry in entries if entry.header]
    copied = len(entries) - len(images)
    lines = [
        f"{counted(sum(map(_images, images)), 'image')} refined, {counted(copied, 'other file')} copied"
        + (f", {before:,} of these files by an earlier run" if before else "")
        + f": {manifest.path}"
    ]
    colour = sum(entry.header.shape[3] == 3 for entry in images)
    if refiner.channels == 1 and colour:
        lines += [f"{colour:,} colour images: their luminance was refined, their chroma kept"]
    if palettes := sum(entry.header.mode == "P" and entry.header.shape[3] == 3 for entry in images):
        lines += [f"{palettes:,} colour images with a palette got a new one of 256 colours"]
    if refiner.config and images:
        trained = refiner.config.image.height
        heights = [entry.header.shape[1] for entry in images]
        if not trained / 2 <= np.median(heights) <= trained * 2:
            lines += [
                f"images are {int(np.median(heights))} pixels high, those of the training {trained}: "
                "the refiner knows things of another size"
            ]
    if source.failed:
        name = min(source.failed)
        lines += [f"{counted(len(source.failed), 'file')} left out, first {source.failed[name]}"]
    for line in lines:
        Console(highlight=False, soft_wrap=True).print(line, markup=False)
    if source.failed and not images:
        raise UserError(f"{manifest.path}: not one image was refined, {lines[-1]}")
