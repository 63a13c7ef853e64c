"""A trained refiner for others: a folder to share, StableHLO, ONNX, or its bare weights.

    python -m simgan_jax.export --workdir=runs/gaze --format=stablehlo --output=refiner.stablehlo

Formats: hub (a folder with safetensors and a card that says what they are, as model hubs have it),
stablehlo (any batch and size; runs on CPU, CUDA and TPU), onnx (any batch and size; needs
`pip install 'simgan_jax[onnx]'`), npz and safetensors (weights and configuration). What is exported
maps images in [-1, 1] to images in [-1, 1], float32 [b, h, w, c]; a refiner with noise takes N(0, 1)
noise [b, h, w, n] as its second input.

Before a file takes its place, it is loaded again and compared with the model on images of the run, in
several batches and sizes; the largest difference is printed, and the code that loads the file.
"""

from collections.abc import Sequence

from absl import flags

from simgan_jax import command
from simgan_jax.refinement.exports import FORMATS, HUB, export
from simgan_jax.reporting.sharing import UNKNOWN, share


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    del argv
    f = flags.FLAGS
    if f.format == HUB:
        print(share(f.workdir, f.output, f.step, f.images, f.license))
    else:
        export(f.workdir, f.format, f.output, f.step, f.images)


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    flags.DEFINE_string("workdir", None, "Folder of the run, or a file of weights.", required=True)
    flags.DEFINE_string("format", None, f"One of {', '.join(FORMATS)}.", required=True)
    flags.DEFINE_string("output", None, "File to write; for hub a folder.", required=True)
    flags.DEFINE_integer("step", None, "Of the checkpoint; the chosen or newest one by default.")
    flags.DEFINE_string("images", "", "Folder of images to check on; those of the run by default.")
    flags.DEFINE_string("license", UNKNOWN, "For hub: of the weights, such as apache-2.0.")
    command.run(main, argv=argv)


if __name__ == "__main__":
    run()
