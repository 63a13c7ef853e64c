"""Refines a whole set, and shows how far it is."""

import math

import numpy as np
from jaxtyping import Shaped

from simgan_jax.io.progress import progress
from simgan_jax.refinement.refiner import Refine

# Images after which the progress moves.
PART = 256


def refine_set(
    refine: Refine, images: Shaped[np.ndarray, "n h w c"]
) -> Shaped[np.ndarray, "n h w c"]:
    """`refine(images)`, with a line of progress.

    Args:
        refine: from `load_refiner`.
        images: uint8 or uint16, one at least.

    Raises:
        UserError: neither grey nor of the refiner's channels.
    """
    cuts = range(PART, len(images), PART)
    parts = zip(np.split(images, cuts), np.split(np.arange(len(images)), cuts), strict=True)
    jobs = [refine.job(part, rows=rows) for part, rows in parts]
    windows = len(images) * math.prod(map(len, jobs[0].windows()))
    with progress("refining", len(images)) as advance:
        for job in refine.run(jobs, windows):
            advance(len(job.pixels))
    return np.concatenate([job.result() for job in jobs])
