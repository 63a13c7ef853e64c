"""Embedded hands: the paper's second comparison, on data that everybody has.

    python -m experiments.embedded_hands [--quick] [--full] [--seeds=3]

Domains: synthetic are the embedded simulator's depth images, real the embedded sensor's training split
without joints, test the sensor's test split (other people). The ceiling is trained on the sensor's
joints. "within" is PCK, the share of joints at most 5 pixels off at a width of 224.

Variants: "default" is configs/hand.py; "tanh" has the paper's output instead of a sum with the image,
which needs pre-training, and a smaller lambda; "noise" has a map of noise beside the image, so that the
refiner can make what a sensor does by chance.
"""

from collections.abc import Sequence
from pathlib import Path

from configs.hand import get_config
from experiments import protocol
from simgan_jax import command


def main(argv: Sequence[str]) -> None:
    """Runs the experiment."""
    del argv
    variants = {name: get_config() for name in ("default", "tanh", "noise")}
    variants["tanh"].refiner.residual = False
    variants["tanh"].train.pretrain_refiner = 500
    variants["tanh"].loss.self_regularization = 1.0
    variants["noise"].refiner.noise_channels = 1
    protocol.run("embedded_hands", variants, Path(__file__).parent)


if __name__ == "__main__":
    command.run(main)
