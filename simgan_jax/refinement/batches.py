"""Refined images with their labels, batch by batch, for any training loop."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.io.background import prefetch
from simgan_jax.refinement.refiner import Refine


def refined_batches(
    refine: Refine,
    source: Arrays | Mapping[str, Any],
    batch: int,
    epochs: int | None = 1,
    seed: int | None = None,
    drop_last: bool = False,
    ahead: int = 2,
) -> Iterator[dict[str, Shaped[np.ndarray, "b ..."]]]:
    """Refined images with their labels, for any training loop.

    A thread refines the next batches while the caller trains on one. Batches are NumPy arrays: JAX
    takes them as they are, `torch.from_numpy` makes tensors of them without a copy. To index instead
    of iterate (PyTorch's map-style sets, grain's `MapDataset.source`), refine the whole set first:
    `refine(arrays.images)`.

    Args:
        refine: from `load_refiner`.
        source: arrays, or a specification for `data.load`.
        batch: images in a batch.
        epochs: over the set; None goes on for ever.
        seed: of the order, another one each epoch; None keeps the order of the set.
        drop_last: leave out an epoch's last batch if it is short.
        ahead: batches kept ready.

    Returns:
        An iterator of {"image": uint8 or uint16 [b, H, W, C], and the set's labels by name [b, ...]}.

    Raises:
        UserError: fewer images than a batch needs.
    """
    arrays = source if isinstance(source, Arrays) else data.load(source)
    if len(arrays) < (batch if drop_last else 1):
        raise UserError(f"{len(arrays)} images make no batch of {batch}")

    def refined() -> Iterator[dict[str, Shaped[np.ndarray, "b ..."]]]:
        for rows in _orders(len(arrays), batch, epochs, seed, drop_last):
            chosen = arrays[rows]
            yield {"image": refine(chosen.images, rows), **chosen.labels}

    return prefetch(refined(), ahead)


def _orders(
    size: int, batch: int, epochs: int | None, seed: int | None, drop_last: bool
) -> Iterator[Int[np.ndarray, "b"]]:
    """Row numbers of each batch."""
    epoch = 0
    while epochs is None or epoch < epochs:
        rows = np.arange(size)
        if seed is not None:
            rows = np.random.default_rng((seed, epoch)).permutation(size)
        for start in range(0, size - batch + 1 if drop_last else size, batch):
            yield rows[start : start + batch]
        epoch += 1
