"""Which images a checkpoint is chosen by, and which the report then measures: never the same.

The best of several checkpoints is best partly by chance, on the images that it was chosen by. The
report measures others:

- Synthetic images: the choice draws from the first three quarters, the report takes the last ones
  of the last quarter. A generator that is asked for more images adds them at the end, and the choice
  never sees those: so this holds between reports of any size. Estimators train on all but the report's.
- Real images: one of every two in turn, since photographs lie person by person.
"""

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError, counted

# Images that a checkpoint is chosen by, of each kind.
CHOICE = 500
# A fresh discriminator needs four images of each kind in the report's part.
LEAST_SYNTHETIC, LEAST_REAL = 16, 8


def require_enough(synthetic: Arrays, real: Arrays) -> None:
    """Checks that both parts can be had of both sets.

    Raises:
        UserError: they cannot.
    """
    for name, images, least in (
        ("synthetic", synthetic, LEAST_SYNTHETIC),
        ("real", real, LEAST_REAL),
    ):
        if len(images) < least:
            raise UserError(
                f"config.data.{name}: {counted(len(images), 'image')}; an evaluation needs {least} "
                "at least, since some choose the checkpoint and others are measured"
            )


def to_choose(synthetic: Arrays, real: Arrays) -> tuple[Arrays, Shaped[np.ndarray, "n h w c"]]:
    """Synthetic and real images that a checkpoint is chosen by."""
    early = synthetic[: len(synthetic) - len(synthetic) // 4]
    return spread(early, CHOICE), spread(real[1::2], CHOICE).images


def to_report(
    synthetic: Arrays, real: Arrays, probe: int
) -> tuple[Arrays, Arrays, Shaped[np.ndarray, "n h w c"]]:
    """What a report is made of.

    Args:
        synthetic: images and labels.
        real: images.
        probe: synthetic images to measure, a quarter of them at most.

    Returns:
        Synthetic images that train estimators, synthetic images that are measured, and real images that
        both they and refined ones are compared with.
    """
    first = len(synthetic) - min(probe, len(synthetic) // 4)
    return synthetic[:first], synthetic[first:], real.images[::2]


def spread(images: Arrays, count: int) -> Arrays:
    """So many of them at equal distances, or all if there are fewer."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]
