"""How many seeds: a flag of its own, so that who counts them has none of the protocol's others."""

from absl import flags

from experiments.flags import QUICK

SEEDS = flags.DEFINE_integer("seeds", 3, "Of everything that is trained, from 0 on.")


def how_many() -> int:
    """As many as the flags ask for; one of a quick trial."""
    return 1 if QUICK.value else SEEDS.value
