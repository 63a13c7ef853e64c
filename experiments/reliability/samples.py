"""Small whole files of every kind that the package reads, and how each is read."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io
import tifffile
from PIL import Image

from experiments.reliability import runs
from experiments.reliability.unity_files import write_unity_files
from simgan_jax.data import table
from simgan_jax.data.mpii_gaze.builder import evaluation_list, read_day
from simgan_jax.data.nyu_hand.builder import all_joints
from simgan_jax.data.unity_eyes import Framing
from simgan_jax.data.unity_eyes.decode import decode
from simgan_jax.io import image_files
from simgan_jax.refinement import weights
from simgan_jax.refinement.chosen_checkpoint import read_choice
from simgan_jax.reporting.page import describe, render
from simgan_jax.reporting.run_folder import read_run
from simgan_jax.training.provenance import read_setup

# What a page tells of an evaluation.
EVALUATION = {
    "estimators": {"refined": {"error": 6.0, "std": 0.1, "per_seed": [5.9, 6.1]}},
    "label_shift": {"mean": 0.3, "std": 0.2},
    "realism": {"kid": 0.05, "discriminator_accuracy": {"synthetic": 0.9, "refined": 0.7}},
    "checkpoint": 3,
    "seeds": 2,
}


class Sample(NamedTuple):
    """A file of one kind.

    Attributes:
        kind: for the counts.
        name: of the file; other files that it needs lie in its folder.
        content: of the whole file.
        read: what is done with the file's path.
    """

    kind: str
    name: str
    content: bytes
    read: Callable[[Path], Any]


def samples(folder: Path) -> list[Sample]:
    """All kinds; files that are read beside them are written into the folder."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (24, 31), dtype=np.uint8)
    colour = rng.integers(0, 256, (24, 31, 3), dtype=np.uint8)
    deep = rng.integers(0, 65536, (24, 31), dtype=np.uint16)
    return [
        *_pictures(grey, colour, deep),
        *_tiffs(grey, colour, deep),
        *_arrays(folder, grey, deep),
        *_matlab(rng),
        *_texts(folder),
    ]


def _pictures(grey, colour, deep) -> list[Sample]:
    palette = Image.fromarray(colour).quantize(16)
    images = {
        "png": [Image.fromarray(x) for x in (grey, colour, deep)] + [palette],
        "jpg": [Image.fromarray(grey), Image.fromarray(colour)],
        "bmp": [Image.fromarray(grey), Image.fromarray(colour)],
    }
    found = []
    for suffix, pictures in images.items():
        for picture in pictures:
            for options in ({}, {"progressive": True}) if suffix == "jpg" else ({},):
                file = io.BytesIO()
                picture.save(file, {"jpg": "jpeg"}.get(suffix, suffix), **options)
                found.append(Sample(suffix, f"a.{suffix}", file.getvalue(), image_files.read))
    return found


def _tiffs(grey, colour, deep) -> list[Sample]:
    found = []
    ways = (
        {},
        {"tile": (16, 16)},
        {"compression": "zlib"},
        {"tile": (16, 16), "compression": "zlib"},
    )
    for pixels in (grey, colour, deep):
        for way in ways:
            file = io.BytesIO()
            photometric = "rgb" if pixels.ndim == 3 else "minisblack"
            tifffile.imwrite(file, pixels, photometric=photometric, **way)
            found.append(Sample("tiff", "a.tif", file.getvalue(), image_files.read))
        if pixels is not deep:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "tiff", compression="tiff_lzw")
            found.append(Sample("tiff", "a.tif", file.getvalue(), image_files.read))
    return found


def _arrays(folder, grey, deep) -> list[Sample]:
    found = []
    for array in (grey, deep, grey / 255, np.stack([grey] * 3)[..., None]):
        file = io.BytesIO()
        np.save(file, array)
        found.append(Sample("npy", "a.npy", file.getvalue(), image_files.read))
    config = runs.configuration()
    params = {"stem": {"kernel": np.ones((3, 3, 1, 2), np.float32)}}
    for suffix in ("npz", "safetensors"):
        path = folder / f"a.{suffix}"
        weights.write(path, config, params, 3)
        found.append(Sample(suffix, path.name, path.read_bytes(), weights.read))
    return found


def _matlab(rng) -> list[Sample]:
    eye = {
        "image": rng.integers(0, 256, (2, 36, 60), dtype=np.uint8),
        "gaze": np.tile([0.0, 0.6, -0.8], (2, 1)),
        "pose": np.full((2, 3), 0.1),
    }
    names = np.array([["0001.jpg"], ["0002.jpg"]], object)
    day = {"data": {"left": eye, "right": dict(eye)}, "filenames": names}
    joints = {"joint_uvd": rng.normal(size=(3, 2, 36, 3))}
    found = []
    for content, read in ((day, read_day), (joints, all_joints)):
        for packed in (False, True):
            file = io.BytesIO()
            scipy.io.savemat(file, content, do_compression=packed)
            found.append(Sample("mat", "a.mat", file.getvalue(), read))
    return found


def _texts(folder: Path) -> list[Sample]:
    eyes = write_unity_files(folder / "eyes", 1)
    picture = eyes / "1.jpg"
    rows = "file,pitch,yaw,eye_x,eye_y\n" + "eyes/1.jpg,0.1,0.2,3,4\n" * 2
    lines = "day01/0001.jpg left\nday02/0002.jpg right\n" * 3
    metrics = "".join(
        json.dumps({"step": i, "phase": "adversarial", "refiner/change": 0.1}) + "\n"
        for i in range(5)
    )
    config = json.dumps(runs.configuration().to_dict())
    (folder / "config.json").write_text(config)

    def label(path: Path) -> Any:
        return decode(picture, path, Framing(), False, True)

    def report(path: Path) -> Any:
        return render(describe(read_run(path.parent)))

    return [
        Sample("json", "1.json", (eyes / "1.json").read_bytes(), label),
        Sample("json", "evaluation.json", json.dumps(EVALUATION).encode(), report),
        Sample("json", "metrics.jsonl", metrics.encode(), report),
        Sample("json", "chosen.json", b'{"step": 3}', lambda path: read_choice(path.parent)),
        Sample("csv", "a.csv", rows.encode(), lambda path: table.load(str(path))),
        Sample("list", "a.txt", lines.encode(), lambda path: evaluation_list(path, "day01")),
        Sample("config", "config.json", config.encode(), lambda path: read_setup(path.parent)),
    ]
