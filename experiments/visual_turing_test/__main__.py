"""Visual Turing test: can a person, or a new network, tell refined images from real ones?

    python -m experiments.embedded_eyes --variants=default
    python -m experiments.visual_turing_test --workdir=runs/experiments/embedded_eyes/default-0

Writes page.html and result.json beside this file. The page needs nothing else, asks no server, and
shows one image at a time in random order, real or not; it counts answers and gives the exact binomial
p of guessing. The paper's subjects were right on 517 of 1000 (refined) and 162 of 200 (synthetic).

The machine's version: a new discriminator of whole images learns from half of the images, and answers
on the other half. Synthetic images are of the test split, which has trained no refiner; real ones are
the camera's test split: other people than those that trained the discriminator.
"""

from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from absl import flags
from scipy.stats import binomtest

from experiments.flags import QUICK, command_line, results_folder
from experiments.machine import machine
from simgan_jax import command, data, load_refiner
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics.two_sample import Budget, discriminator_accuracy
from simgan_jax.reporting.examples import data_uri
from simgan_jax.training.provenance import read_config

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/gaze", "Folder of a finished run of configs/gaze.py."
)

HERE = Path(__file__).parent
SHOWN, SCALE, PAPER = 25, 4, {"refined": [517, 1000], "synthetic": [162, 200]}


def main(argv: Sequence[str]) -> None:
    """Writes the page, and lets a network take the test."""
    del argv
    config = read_config(WORKDIR.value)
    count = 100 if QUICK.value else 1000
    synthetic = data.load(config.data.synthetic.to_dict() | {"split": "test", "count": count})
    sets = {
        "real": data.load(config.data.test.to_dict() | {"count": count}).images,
        "synthetic": synthetic.images,
        "refined": load_refiner(WORKDIR.value)(synthetic.images),
    }
    budget = Budget(20 if QUICK.value else 300)
    result = {
        "command": command_line("visual_turing_test"),
        "machine": machine(),
        "seeds": 1,
        "updates": budget.steps,
        "paper": PAPER,
    }
    for name in PAPER:
        found = discriminator_accuracy(
            sets["real"], sets[name], budget, whole_image=True, seed=config.seed
        )
        right = round(found["accuracy"] * found["images"])
        p = binomtest(right, found["images"]).pvalue
        result[name] = {"right": right, "of": found["images"], "p": p}
        print(f"{name}: the network is right on {right} of {found['images']} (p = {p:.2g})")
    here = results_folder(HERE)
    write_json(here / "result.json", result)
    (here / "page.html").write_text(page(sets, result))


def page(sets: dict[str, np.ndarray], machines: dict) -> str:
    """The page: images of every set, spread over it, within the file.

    Args:
        sets: "real", "synthetic", "refined": integer images [n, h, w, c].
        machines: of "synthetic" and "refined": "right" and "of", the network's answers.
    """
    pictures = {}
    for name, images in sets.items():
        chosen = images[np.linspace(0, len(images) - 1, SHOWN).astype(int)]
        pictures[name] = [data_uri(x) for x in chosen]
    template = jinja2.Template(
        (HERE / "page.html.jinja").read_text(), autoescape=True, undefined=jinja2.StrictUndefined
    )
    height, width = (SCALE * side for side in sets["real"].shape[1:3])
    return template.render(
        pictures=pictures, machines=machines, paper=PAPER, height=height, width=width
    )


if __name__ == "__main__":
    command.run(main)
