"""Embedded eyes: the paper's comparison on data that everybody has.

    python -m experiments.embedded_eyes [--quick] [--full] [--seeds=3]

Domains: synthetic are the embedded simulator's eyes, real the embedded camera's training split without
labels, test the camera's test split (other people). The ceiling is trained on the camera's labels.

Variants:
    default       configs/gaze.py:pixels
    equalized     the simulator's histograms are equalised first, as the camera's are
    long, equalized long
                  the same with four times the iterations
and changes of "equalized":
    no history    the discriminator sees new refined images alone (the paper's ablation)
    global        one adversarial loss an image instead of one a patch (the paper's ablation)
    no weights    self-regularisation weighs all pixels the same (the paper's)
"""

from collections.abc import Sequence
from pathlib import Path

from configs.gaze import get_config
from experiments import protocol
from simgan_jax import command


def main(argv: Sequence[str]) -> None:
    """Runs the experiment."""
    del argv
    equalized = {"data.synthetic.equalized": True}
    changes = {
        "default": {},
        "equalized": equalized,
        "long": {},
        "equalized long": equalized,
        "no history": equalized | {"history.size": 0},
        "global": equalized | {"loss.local": False},
        "no weights": equalized | {"loss.weight.label": ""},
    }
    variants = {name: get_config("pixels") for name in changes}
    for name, change in changes.items():
        variants[name].update_from_flattened_dict(change)
    longer = {"long": 4, "equalized long": 4}
    protocol.run("embedded_eyes", variants, Path(__file__).parent, longer=longer)


if __name__ == "__main__":
    command.run(main)
