"""Folders that would run code, or lead elsewhere, if loading were careless; and all artefacts."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments.reliability import runs
from experiments.reliability.artefacts import (
    OWNED,
    Artefact,
    Payload,
    arrays,
    exports,
    matlab,
    pickles,
)
from experiments.reliability.unity_files import write_unity_files
from simgan_jax import data
from simgan_jax.data.jobs import Chunk, Job, Pool
from simgan_jax.data.jobs import run as run_jobs
from simgan_jax.data.mpii_gaze.builder import evaluation_list
from simgan_jax.data.prepare import prepare
from simgan_jax.refinement.chosen_checkpoint import restore_refiner
from simgan_jax.refinement.folders import Options, refine_folder
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.reporting.page import write_report
from simgan_jax.training.checkpoint import FOLDER


def artefacts(folder: Path) -> list[Artefact]:
    """All of them, written into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    run = runs.write_run(folder / "run", (1,))
    return [
        *arrays(folder / "arrays"),
        *exports(folder / "weights", run),
        *matlab(folder / "matlab"),
        *_checkpoints(folder / "checkpoints", run),
        *_trees(folder / "trees", run),
        *_lists(folder / "lists"),
        *_prepared(folder / "prepared"),
        *_runs(folder / "runs", run),
    ]


def _checkpoints(folder: Path, run: Path) -> list[Artefact]:
    """Metadata of Orbax that name other types, other stores and other files."""
    folder.mkdir()
    changes = {
        "another type": ("jax.Array", "os.system"),
        "another value": ("np.ndarray", "builtins.eval"),
        "a store on the network": (
            '"use_ocdbt": true',
            '"use_ocdbt": false, "base": "http://127.0.0.1"',
        ),
    }
    found = [Artefact("checkpoint", lambda: restore_refiner(run), harmless=True)]
    for name, (old, new) in changes.items():
        copy = folder / name
        shutil.copytree(run, copy)
        path = copy / FOLDER / "1" / "state" / "_METADATA"
        text = path.read_text()
        path.write_text(text.replace(old, new) if old in text else text[:-1] + f', "x": "{new}"}}')
        found.append(Artefact(f"checkpoint with {name}", lambda c=copy: restore_refiner(c)))
    copy = folder / "pickled"
    shutil.copytree(run, copy)
    (copy / FOLDER / "1" / "digest" / "metadata").write_bytes(pickle.dumps(Payload()))
    return [*found, Artefact("checkpoint with a pickle", lambda: restore_refiner(copy))]


def _trees(folder: Path, run: Path) -> list[Artefact]:
    """Links in what is refined, and records that name files elsewhere."""
    folder.mkdir()
    refiner = load_refiner(run)
    outside = folder / "outside.txt"
    outside.write_text("not to be changed")

    def tree(name: str) -> Path:
        images = folder / name
        images.mkdir()
        Image.fromarray(np.full((24, 24), 99, np.uint8)).save(images / "a.png")
        return images

    def refined(name: str, images: Path) -> Callable:
        def load() -> None:
            refine_folder(refiner, images, folder / f"{name} out", Options(on_error="skip"))
            if outside.read_text() != "not to be changed":
                raise RuntimeError("a file outside of the output was changed")

        return load

    found = [Artefact("tree", refined("whole", tree("whole")), harmless=True)]
    for name, target in {
        "a link to a file": outside,
        "a link to a device": Path("/dev/null"),
        "a link to itself": folder / "a link to itself",
        "a link to nowhere": folder / "nowhere",
    }.items():
        images = tree(name)
        (images / "link.png").symlink_to(target)
        found.append(Artefact(name, refined(name, images)))
    for name, file in {
        "a climbing name": "../outside.txt",
        "an absolute name": str(outside),
    }.items():
        images, output = tree(f"{name} in"), folder / f"{name} out"
        output.mkdir()
        record = {"sha256": "0", "source": [1, 1], "action": "refined"}
        about = {"model": {"sha256": "0"}, "settings": {}}
        text = json.dumps({**about, "files": {file: record}})
        (output / "refine_manifest.json").write_text(text)
        found.append(Artefact(f"manifest with {name}", refined(name, images)))
    return found


def _lists(folder: Path) -> list[Artefact]:
    folder.mkdir()
    found = []
    for number, name in enumerate(
        ("/etc/passwd", "../../../etc/passwd", "|touch x", "file:///etc")
    ):
        table, listed = folder / f"{number}.csv", folder / f"{number}.txt"
        table.write_text(f"file,pitch,yaw\n{name},0.1,0.1\n")
        listed.write_text(f"day01/{name} left\n")
        spec = {"source": "table", "path": str(table)}
        found += [
            Artefact(f"table that names {name}", lambda spec=spec: data.load(spec)),
            Artefact(f"list that names {name}", lambda p=listed: evaluation_list(p, "day01")),
        ]
    return found


def _prepared(folder: Path) -> list[Artefact]:
    folder.mkdir()
    prepare("unity_eyes", write_unity_files(folder / "eyes", 2), folder / "whole", workers=1)

    def load(where: Path) -> Callable:
        return lambda: data.load({"source": "unity_eyes", "data_dir": str(where)})

    found = [Artefact("prepared set", load(folder / "whole"), harmless=True)]
    pickled = pickles()["object npy"]
    for name, change in {
        "features.json": lambda text: text.replace(b"tensorflow_datasets.core", b"antigravity"),
        "dataset_info.json": lambda text: text.replace(b"array_record", b"http://127.0.0.1"),
        "arrays/image.npy": lambda text: pickled,
        "arrays/gaze.npy": lambda text: pickled,
    }.items():
        copy = folder / name.replace("/", "_")
        shutil.copytree(folder / "whole", copy)
        path = copy / "unity_eyes/grey/1.0.0" / name
        path.write_bytes(change(path.read_bytes()))
        found.append(Artefact(f"prepared set with a hostile {name}", load(copy)))
    job = Job(_nothing, (), 1)
    chunks = folder / "chunks"
    chunks.mkdir()
    (chunks / f"{job.fingerprint()}.npz").write_bytes(pickles()["object npz"])
    chunk = Artefact("chunk", lambda: list(run_jobs([job], chunks, Pool(1), "nothing")))
    return [*found, chunk]


def _nothing() -> Any:
    return Chunk({"name": np.array(["a"])}, [])


def _runs(folder: Path, run: Path) -> list[Artefact]:
    """Settings and results that would be code to a careless reader."""
    folder.mkdir()
    found = [Artefact("run", lambda: write_report(run), harmless=True)]
    code = "__import__('os').system('touch " + str(OWNED) + "')"
    contents = {
        "config.json": {"name": code, "image": {"dtype": code}, "loss": {"psi": code}},
        "evaluation.json": {"notes": ["<script>fetch('http://x')</script>"], "seeds": code},
        "environment.json": {"command": ["main.py", f"$({code})", "<script>alert(1)</script>"]},
        "chosen.json": {"step": code},
    }
    for name, content in contents.items():
        copy = folder / name
        shutil.copytree(run, copy)
        (copy / name).write_text(json.dumps(content))

        def load(copy: Path = copy) -> None:
            page = write_report(copy).read_text()
            if "<script>alert" in page or "<script>fetch" in page:
                raise RuntimeError("the report holds a foreign script")
            restore_refiner(copy)

        found.append(Artefact(f"run with code in {name}", load))
    return found
