"""Folders of runs that the report's tests look at, and how to read its page."""

import json

import jax
import numpy as np

from configs import gaze
from simgan_jax import data
from simgan_jax.io import image_files
from simgan_jax.reporting.page import write_report
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import Checkpoints


def config():
    c = gaze.get_config("tiny")
    c.refiner.features, c.history.size = 4, 8
    return c


def row(step, phase, **metrics):
    names = ("refiner/change", "refiner/adversarial", "discriminator/loss", "images_per_second")
    figures = dict.fromkeys(names, 0.5) | {"discriminator/gradient_norm": 1.0}
    return {"step": step, "phase": phase} | figures | metrics


CURVE = {"thresholds": [0.0, 7.0, 14.0], "curve": [0.0, 0.5, 1.0], "threshold": 7.0}
EVALUATION = {
    "estimators": {
        "refined": {
            "error": 6.0,
            "std": 0.1,
            "within": 0.625,
            "per_seed": [5.9, 6.0, 6.1],
            "interval": [5.0, 7.0],
            "own_error": 4.5,
            "participants": {"3": 5.0, "14": 7.25},
        },
        "mean_predictor": {"error": 9.0} | CURVE,
        "synthetic": {"error": 8.0, "std": 0.1, "within": 0.5, "per_seed": [7.9, 8.0, 8.1]} | CURVE,
    },
    "notes": ["The crops are <centred> on the true joints."],
    "gap_closed": 0.4,
    "label_shift": {"mean": 0.3, "std": 0.2},
    "artefacts": {
        "beyond_tone": {"share": 0.02},
        "own_pattern": {"share": 0.01},
        "picture": {"thousandths": ["0 -10", "? 20"], "centre": [1.0, 0.0]},
    },
    "realism": {"kid": 0.05, "discriminator_accuracy": {"synthetic": 0.95, "refined": 0.75}},
    "seeds": 3,
}


def write(workdir, name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (workdir / name).write_text(text)


def write_samples(workdir, step, pictures):
    (workdir / "samples").mkdir(exist_ok=True)
    image_files.write_image(workdir / "samples" / f"{step:06d}.png", image_files.grid(pictures))


def make_finished(workdir):
    """A run with everything; its synthetic images are the simulator's, so labels can be drawn."""
    c = config()
    write(workdir, "config.json", c.to_dict())
    write(
        workdir,
        "environment.json",
        {"command": ["main.py", "--config=<b>x</b>", "--config.seed=0"], "seed": 0},
    )
    steps = {5: "refiner", 10: "refiner", 15: "discriminator", 25: "adversarial"}
    rows = [row(step, phase) for step, phase in steps.items()] + [row(35, "adversarial")]
    write(workdir, "metrics.jsonl", "".join(json.dumps(x) + "\n" for x in rows))
    write(workdir, "evaluation.json", EVALUATION)
    synthetic = first_images(c)
    rng = np.random.default_rng(0)
    for step in (10, 35):
        other = rng.integers(0, 256, (8, 2, *synthetic.shape[1:]), dtype=np.uint8)
        write_samples(workdir, step, np.concatenate([synthetic[:, None], other], axis=1))
    setup = devices.distribute(make_setup(c), devices=1)
    state = create_train_state(jax.random.key(0), setup)
    Checkpoints(workdir).save(devices.place(state, setup), setup)
    write_report(workdir)


def first_images(c):
    return data.load(c.data.synthetic.to_dict() | {"count": 8}).images


def read_page(workdir):
    return (workdir / "report.html").read_text()
