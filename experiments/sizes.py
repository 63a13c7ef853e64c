"""How large the runs of experiments are: for a CPU, with --quick in little, with --full the paper's."""

from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict

from configs import gaze, hand
from experiments.flags import QUICK
from simgan_jax.errors import UserError

FULL = flags.DEFINE_bool(
    "full", False, "A refiner, batch and steps of the paper's size: for accelerators."
)
# Of config.train, what the paper says of a training.
SCHEDULE = (
    *("batch", "steps", "refiner_updates", "discriminator_updates"),
    *("pretrain_refiner", "pretrain_discriminator"),
)


def size() -> str:
    """The size that the flags ask for, a folder's name: "quick", "full", or "" of a CPU's.

    Raises:
        UserError: the flags contradict each other.
    """
    if QUICK.value and FULL.value:
        raise UserError("--quick --full: give one of them")
    return "quick" if QUICK.value else "full" if FULL.value else ""


def level() -> str:
    """Of evaluations, that goes with it."""
    return "full" if FULL.value else "quick"


def sized(config: ConfigDict, rows: Sequence[str], longer: int = 1) -> ConfigDict:
    """A variant at the size that the flags ask for, in place.

    Args:
        config: of the variant, sized for a CPU.
        rows: of its estimators.
        longer: so many times as many iterations, where that is what the variant tries. Whatever else
            it says of its schedule is for a CPU, and gives way to the paper's with --full.
    """
    quick = config.evaluate.quick
    quick.rows = rows
    config.watch.keep = 100  # all checkpoints are there to choose from
    config.train.steps *= longer
    if FULL.value:
        config.evaluate.full.rows = (*rows, "synthetic_4x", "refined_4x")
        paper = (hand if config.task == "hand" else gaze).get_config("paper")
        # None where it begins as the identity.
        pretraining = config.train.pretrain_refiner and paper.train.pretrain_refiner
        config.train.update({name: paper.train[name] for name in SCHEDULE})
        config.train.update(pretrain_refiner=pretraining, micro_batch=0)
        config.train.steps *= longer
        config.refiner.features = paper.refiner.features
        config.history.size = config.history.size and paper.history.size
        config.watch.update(sample_every=1000, checkpoint_every=1000)
    elif QUICK.value:
        config.refiner.features = 8
        config.refiner.blocks = 1
        config.history.size = config.history.size and 128
        config.train.update(steps=40, pretrain_refiner=20, pretrain_discriminator=10)
        config.watch.update(sample_every=40, checkpoint_every=40)
        quick.update(images=600, probe=100, discriminator_steps=20, estimator_steps=40)
    return config
