"""The entry point without what follows training.

python only_train.py --config=... --workdir=...
"""

from pathlib import Path

from absl import flags
from ml_collections import config_flags

from simgan_jax import command
from simgan_jax.training.loop import train

CONFIG = config_flags.DEFINE_config_file("config")
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")


def main(argv):
    train(CONFIG.value, Path(WORKDIR.value))


if __name__ == "__main__":
    command.run(main)
