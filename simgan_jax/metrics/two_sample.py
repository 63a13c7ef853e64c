"""How well two sets of images can be told apart: fresh discriminators, patches, frequencies."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax import losses, ranges
from simgan_jax.metrics.intervals import mean_interval
from simgan_jax.metrics.small_networks import adam, fit, in_chunks
from simgan_jax.models import Discriminator


class Budget(NamedTuple):
    """How long a fresh discriminator may learn; accuracies compare only at the same budget.

    Attributes:
        steps: updates.
        batch: images an update, half real, half other.
        learning_rate: of Adam.
        micro_batch: images whose gradients are computed at a time; 0 is all at once.
    """

    steps: int = 300
    batch: int = 32
    learning_rate: float = 1e-3
    micro_batch: int = 0


BUDGET, NETWORK = Budget(), Discriminator()


@dataclass(frozen=True)
class DiscriminatorObjective:
    """What a fresh discriminator learns; a batch is (real, other), as many of each."""

    network: Discriminator
    whole_image: bool

    def prepare(self, key, batch):
        """Integer images in [-1, 1]."""
        del key
        return jax.tree.map(ranges.to_unit, batch)

    def loss(self, params, batch):
        """Cross-entropy, of both kinds of image the same share."""
        pairs = zip(batch, (losses.REAL, losses.REFINED), strict=True)
        return sum(
            losses.cross_entropy(self.logits(params, x), label).mean() / 2 for x, label in pairs
        )

    def logits(self, params, unit):
        """Of every patch, or one of each image."""
        logits = self.network.apply({"params": params}, unit)
        return losses.pool_patches(logits) if self.whole_image else logits


def discriminator_accuracy(
    real: Shaped[np.ndarray, "n h w c"],
    other: Shaped[np.ndarray, "m h w c"],
    budget: Budget = BUDGET,
    whole_image: bool = False,
    network: Discriminator = NETWORK,
    seed: int = 0,
    advance: Callable[[int], None] = lambda images: None,
) -> dict:
    """Accuracy of a new discriminator on images that it has not seen; 0.5 is chance.

    Half of each set trains it, the other half tests it. The accuracies on real and on other images are
    averaged, so that their numbers need not be equal.

    Args:
        real: integer images.
        other: synthetic or refined images of the same size and type.
        budget: of training.
        whole_image: one decision an image instead of one a patch, in training and in test.
        network: fresh, of this architecture.
        seed: of split, start and batches.
        advance: is told the images of every update.

    Returns:
        "accuracy", "interval" (95 %, bootstrap over images), "images" tested.

    Raises:
        ValueError: fewer than four images in a set.
    """
    if min(len(real), len(other)) < 4:
        raise ValueError(f"{len(real)} real and {len(other)} other images; 4 of each are needed")
    rng = np.random.default_rng(seed)
    trained, tested = zip(*(_halves(x, rng) for x in (real, other)), strict=True)
    params = network.init(jax.random.key(seed), jnp.zeros((1, *real.shape[1:])))["params"]
    half = budget.batch // 2
    rows = zip(*(_endless_rows(len(x), half, rng) for x in trained), strict=True)

    def batches():
        for both in islice(rows, budget.steps):
            yield tuple(x[r] for x, r in zip(trained, both, strict=True))
            advance(2 * half)

    objective = DiscriminatorObjective(network, whole_image)
    params = fit(
        objective,
        params,
        batches(),
        adam(budget.learning_rate),
        jax.random.key(seed),  # of which nothing is drawn
        budget.micro_batch // 2,
    )
    correct = [
        in_chunks(partial(_accuracy, params, label=label, objective=objective), x)
        for label, x in ((losses.REAL, tested[0]), (losses.REFINED, tested[1]))
    ]
    intervals = np.array([mean_interval(x, seed=seed) for x in correct])
    means = np.array([x.mean() for x in correct])
    # The two halves are independent: their half-widths add in quadrature.
    width = np.sqrt(((intervals - means[:, None]) ** 2).sum(0)) / 2
    accuracy = float(means.mean())
    return {
        "accuracy": accuracy,
        "interval": [accuracy - float(width[0]), accuracy + float(width[1])],
        "images": sum(map(len, tested)),
    }


def sliced_wasserstein(
    a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"], projections: int = 256, seed: int = 0
) -> float:
    """Mean over random directions of the 1-Wasserstein distance of the projected samples.

    Args:
        a: sample of points.
        b: another, of any size.
        projections: number of unit directions.
        seed: of the directions.

    Returns:
        Distance in the unit of the points.
    """
    directions = np.random.default_rng(seed).normal(size=(projections, a.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x, y = np.sort(a @ directions.T, axis=0), np.sort(b @ directions.T, axis=0)
    # Both quantile functions on a common grid that is exact for samples of equal size.
    count = max(len(x), len(y))
    levels = (np.arange(count) + 0.5) / count
    x, y = (s[np.minimum((levels * len(s)).astype(int), len(s) - 1)] for s in (x, y))
    return float(np.abs(x - y).mean())


def random_patches(
    sample: Shaped[np.ndarray, "n h w c"], side: int = 7, count: int = 4096, seed: int = 0
) -> Float[np.ndarray, "count d"]:
    """Square patches at random places of random images, flattened, in [-1, 1].

    Args:
        sample: integers, or floats in [-1, 1].
        side: of a patch in pixels; less where images are smaller.
        count: patches; an image may give several.
        seed: of images and places.
    """
    rng = np.random.default_rng(seed)
    n, height, width, _ = sample.shape
    side = min(side, height, width)
    which = rng.integers(n, size=count)
    top, left = (
        rng.integers(height - side + 1, size=count),
        rng.integers(width - side + 1, size=count),
    )
    rows = (top[:, None] + np.arange(side))[:, :, None]
    columns = (left[:, None] + np.arange(side))[:, None, :]
    patches = sample[which[:, None, None], rows, columns]
    return np.asarray(ranges.to_unit(patches)).reshape(count, -1)


def power_spectrum(
    sample: Shaped[np.ndarray, "n h w c"], bins: int = 16
) -> tuple[Float[np.ndarray, "bins"], Float[np.ndarray, "bins"]]:
    """Mean power over images, channels and directions against spatial frequency.

    Each image loses its mean and is windowed (Hann), so that its borders do not count as edges.

    Args:
        sample: integer images, or floats in [-1, 1].
        bins: of equal width from 0 to 0.5.

    Returns:
        Frequencies (centres of the bins, cycles a pixel) and power (squared units of [-1, 1] a pixel).
    """
    unit = np.asarray(ranges.to_unit(sample), np.float32)
    height, width = unit.shape[1:3]
    hann = (np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1])[..., None]
    unit = (unit - unit.mean((1, 2), keepdims=True)) * hann
    power = (np.abs(np.fft.fft2(unit, axes=(1, 2))) ** 2).mean((0, 3)) / (hann**2).sum()
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    edges = np.linspace(0, 0.5, bins + 1)
    index = np.digitize(frequency, edges) - 1
    inside = (index < bins) & (frequency > 0)
    total = np.bincount(index[inside], power[inside], bins)
    number = np.bincount(index[inside], minlength=bins)
    return (edges[:-1] + edges[1:]) / 2, total / np.maximum(number, 1)


def spectrum_distance(a: Float[np.ndarray, "bins"], b: Float[np.ndarray, "bins"]) -> float:
    """Mean over frequencies of the power's ratio in decibels, sign ignored."""
    return float(np.abs(10 * np.log10((a + 1e-12) / (b + 1e-12))).mean())


@partial(jax.jit, static_argnames=("label", "objective"))
def _accuracy(params, sample, label, objective):
    """Accuracy of each image."""
    return losses.accuracy(objective.logits(params, ranges.to_unit(sample)), label)


def _halves(sample, rng):
    order = rng.permutation(len(sample))
    middle = len(sample) // 2
    return sample[np.sort(order[:middle])], sample[np.sort(order[middle:])]


def _endless_rows(size, batch, rng):
    waiting = np.empty(0, int)
    while True:
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, rng.permutation(size)])
        yield waiting[:batch]
        waiting = waiting[batch:]
