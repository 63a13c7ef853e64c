"""Which GAN seeds: flags of the experiments that can be shared among processes."""

from collections.abc import Sequence

from absl import flags

from experiments.seeds import how_many

SEED = flags.DEFINE_integer(
    "seed",
    None,
    "This GAN seed alone, and no result.json: to share an experiment among processes. A last call "
    "without it gathers what they have done.",
)


def gan_seeds() -> Sequence[int]:
    """The seeds that the flags ask for."""
    if SEED.value is not None:
        return [SEED.value]
    return range(how_many())
