"""Makes the refiner that comes with the package, `--pretrained=eyes`, of a run of configs/gaze.py.

    python -m simgan_jax.main --config=configs/gaze.py
    python -m experiments.pretrained_eyes --workdir=runs/gaze

Writes simgan_jax/refinement/pretrained/eyes.safetensors: the parameters of the chosen checkpoint with
the run's configuration and step, so that the file says how to make it again. It turns grey values of
embedded eyes into those of the embedded camera; for another simulator or camera, train your own.
"""

from collections.abc import Sequence

from absl import flags

from simgan_jax import command
from simgan_jax.refinement import weights
from simgan_jax.refinement.loading import load_refiner

WORKDIR = flags.DEFINE_string("workdir", "runs/gaze", "Folder of a finished run.")


def main(argv: Sequence[str]) -> None:
    """Writes the file."""
    del argv
    refine = load_refiner(WORKDIR.value)
    weights.PRETRAINED.mkdir(exist_ok=True)
    path = weights.PRETRAINED / "eyes.safetensors"
    weights.write(path, refine.config, refine.params, refine.step, refine.histograms)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB, step {refine.step}")


if __name__ == "__main__":
    command.run(main)
