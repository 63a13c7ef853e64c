"""Near-infrared eyes: the centre of the iris, on another kind of photograph.

    SIMGAN_DATA=... python -m experiments.near_infrared [--quick] [--full] [--seeds=3]

Domains: synthetic are the embedded simulator's eyes, visible light and all; real are photographs of
eyes under near-infrared light without labels (nir_eyes/unlabelled); test are others with the centre
of the iris (nir_eyes/labelled, 500): other frames, but some are nearly alike, as of one recording, so
that figures say little of other people, and intervals over images are too narrow. All at 50 x 50
pixels, errors in pixels there. There is no row trained on real images: labelled ones are for testing.
The floor is the mean of the synthetic labels.

Variants: "default" is configs/gaze.py:pixels; "matched" first gives every rendering the grey values of
an unlabelled photograph, which leaves less to the refiner; "noise" has a map of noise beside the image,
so that one rendering can become a sharp or a blurred photograph.
"""

from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from configs.gaze import get_config
from experiments import protocol
from experiments.photographs import photographs
from simgan_jax import command

SIDE = 50


def config(**refiner: object) -> ConfigDict:
    """The configuration, with settings of the refiner.

    Raises:
        UserError: the photographs are not there.
    """
    unlabelled, labelled = photographs("nir_eyes/unlabelled", "nir_eyes/labelled")
    c = get_config("pixels")
    c.name, c.task = "near_infrared", "iris"
    c.image.height = c.image.width = SIDE
    c.refiner.update(refiner)
    size = {"height": SIDE, "width": SIDE, "channels": 1, "fit": "resize"}
    c.data.real = ConfigDict({"source": "folder", "path": str(unlabelled)} | size)
    c.data.test = ConfigDict({"source": "table", "path": str(labelled / "labels.csv")} | size)
    return c


def main(argv: Sequence[str]) -> None:
    """Runs the experiment."""
    del argv
    matched = config()
    matched.data.synthetic = ConfigDict(
        {"source": "matched", "images": matched.data.synthetic, "like": matched.data.real}
    )
    variants = {"default": config(), "matched": matched, "noise": config(noise_channels=1)}
    protocol.run("near_infrared", variants, Path(__file__).parent, show_real=False)


if __name__ == "__main__":
    command.run(main)
