"""Visual Turing test: can a person, or a new network, tell refined images from real ones?

    python -m experiments.default_run
    python -m experiments.visual_turing_test --workdirs=runs/experiments/default_run/gaze-0,...

Writes page.html and result.json beside this file. The page needs nothing else, asks no server, and
shows one image at a time in random order, real or not; it counts answers and gives the exact binomial
p of guessing. The paper's subjects were right on 517 of 1000 (refined) and 162 of 200 (synthetic).

The machine's version, of every run: a new discriminator of whole images learns from half of the
images, and answers on the other half. Synthetic images are of the test split, which has trained no
refiner; real ones are the camera's test split: other people than those that trained the discriminator.
The page is of the first run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from absl import flags
from jaxtyping import Integer
from ml_collections import ConfigDict
from scipy.stats import binomtest

from experiments.flags import QUICK, results_folder
from experiments.results import origin
from simgan_jax import command, data, load_refiner
from simgan_jax.data import Arrays
from simgan_jax.evaluation.image_split import spread
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics.two_sample import Budget, discriminator_accuracy
from simgan_jax.reporting.examples import data_uri
from simgan_jax.training.provenance import read_config

WORKDIRS = flags.DEFINE_list(
    "workdirs", ["runs/gaze"], "Folders of finished runs of configs/gaze.py, separated by commas."
)

HERE = Path(__file__).parent
Images = Integer[np.ndarray, "n h w c"]
SHOWN, SCALE, PAPER = 25, 4, {"refined": [517, 1000], "synthetic": [162, 200]}


def main(argv: Sequence[str]) -> None:
    """Writes the page, and lets a network take the test."""
    del argv
    budget = Budget(20 if QUICK.value else 300)
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in PAPER}
    for workdir in WORKDIRS.value:
        config = read_config(workdir)
        sets = shown(config, workdir)
        for name, found in answers.items():
            found.append(answer(sets["real"], sets[name], budget, config.seed))
            print(f"{workdir}, {name}: right on {found[-1]['right']} of {found[-1]['of']}")
        if workdir == WORKDIRS.value[0]:
            first = page(sets, {name: found[0] for name, found in answers.items()})
    here = results_folder(HERE)
    about = origin("visual_turing_test")
    about |= {"seeds": len(WORKDIRS.value), "updates": budget.steps, "paper": PAPER}
    write_json(here / "result.json", about | answers)
    (here / "page.html").write_text(first)


def shown(config: ConfigDict, workdir: str) -> dict[str, Images]:
    """Images of every set: "real", "synthetic", "refined"; none has trained a refiner."""
    count = 100 if QUICK.value else 1000
    synthetic = data.load(config.data.synthetic.to_dict() | {"split": "test", "count": count})
    return {
        "real": data.load(config.data.test.to_dict() | {"count": count}).images,
        "synthetic": synthetic.images,
        "refined": load_refiner(workdir)(synthetic.images),
    }


def answer(real: Images, other: Images, budget: Budget, seed: int) -> dict[str, Any]:
    """On how many of so many images a new network is "right", and the p of guessing as well."""
    found = discriminator_accuracy(real, other, budget, whole_image=True, seed=seed)
    right = round(found["accuracy"] * found["images"])
    return {"right": right, "of": found["images"], "p": binomtest(right, found["images"]).pvalue}


def page(sets: Mapping[str, Images], machines: Mapping[str, Mapping[str, Any]]) -> str:
    """The page: images of every set, spread over it, within the file.

    Args:
        sets: "real", "synthetic", "refined": integer images [n, h, w, c].
        machines: of "synthetic" and "refined": "right" and "of", the network's answers.
    """
    pictures = {
        name: [data_uri(x) for x in spread(Arrays(images), SHOWN).images]
        for name, images in sets.items()
    }
    template = jinja2.Template(
        (HERE / "page.html.jinja").read_text(), autoescape=True, undefined=jinja2.StrictUndefined
    )
    height, width = (SCALE * side for side in sets["real"].shape[1:3])
    return template.render(
        pictures=pictures, machines=machines, paper=PAPER, height=height, width=width
    )


if __name__ == "__main__":
    command.run(main)
