"""How far synthetic and refined images are from real ones."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from simgan_jax.evaluation.plan import Plan
from simgan_jax.io.progress import progress
from simgan_jax.metrics import two_sample
from simgan_jax.metrics.kid import features, kid
from simgan_jax.metrics.two_sample import Budget
from simgan_jax.models import Discriminator
from simgan_jax.training import devices

Images = Shaped[np.ndarray, "_ h w c"]


def measure_realism(
    plan: Plan,
    synthetic: Shaped[np.ndarray, "n h w c"],
    refined: Shaped[np.ndarray, "n h w c"],
    real: Shaped[np.ndarray, "m h w c"],
    network: Discriminator,
    seed: int = 0,
) -> dict[str, Any]:
    """How far synthetic and refined images are from real ones; see `metrics`.

    Every figure of two sets comes for "synthetic" and "refined"; KID and sliced Wasserstein distance
    come for "real" too, between two halves of the real images: what sampling alone makes.

    Args:
        plan: training of the discriminators.
        synthetic: integers, or floats in [-1, 1]; four images at least.
        refined: the same images, refined.
        real: of which as many as twice the others are used at most; four at least.
        network: architecture of the fresh discriminators of patches.
        seed: of all that is drawn.

    Returns:
        What docs/evaluation.md says of "realism"; ready for JSON.
    """
    order = np.random.default_rng(seed).permutation(len(real))[: 2 * len(synthetic)]
    real = real[np.sort(order)]
    shuffled = np.random.default_rng(seed).permutation(len(real))
    halves = real[shuffled[: len(real) // 2]], real[shuffled[len(real) // 2 :]]
    pairs = {"synthetic": (synthetic, real), "refined": (refined, real), "real": halves}
    kids = {name: kid(features(a), features(b), seed=seed) for name, (a, b) in pairs.items()}
    patches = two_sample.random_patches
    swd = {
        name: two_sample.sliced_wasserstein(
            patches(a, seed=seed), patches(b, seed=seed + 1), seed=seed
        )
        for name, (a, b) in pairs.items()
    }
    return {
        "kid": kids["refined"]["value"],
        "kid_interval": kids["refined"]["interval"],
        "kid_synthetic": kids["synthetic"]["value"],
        "kid_synthetic_interval": kids["synthetic"]["interval"],
        "kid_real": kids["real"]["value"],
        "sliced_wasserstein": swd,
        **_spectra(synthetic, refined, real),
        **_judged(plan, synthetic, refined, real, network, seed),
    }


def _spectra(synthetic: Images, refined: Images, real: Images) -> dict[str, Any]:
    """Mean power spectra, and their distances from that of the real images."""
    frequency, real_power = two_sample.power_spectrum(real)
    power = {
        name: two_sample.power_spectrum(images)[1]
        for name, images in (("synthetic", synthetic), ("refined", refined))
    }
    return {
        "spectrum_db": {n: two_sample.spectrum_distance(p, real_power) for n, p in power.items()},
        "spectrum": {"frequency": frequency.tolist(), "real": real_power.tolist()}
        | {name: p.tolist() for name, p in power.items()},
    }


def _judged(
    plan: Plan,
    synthetic: Images,
    refined: Images,
    real: Images,
    network: Discriminator,
    seed: int,
) -> dict[str, Any]:
    """Accuracies of fresh discriminators of patches and, if the plan says so, of whole images."""
    micro_batch = 8 if jax.default_backend() == "cpu" else 0
    budget = Budget(plan.discriminator_steps, micro_batch=micro_batch)
    kinds = {"discriminator_accuracy": False}
    if plan.whole_image:
        kinds["whole_image_accuracy"] = True
    result = {}
    total = 2 * len(kinds) * budget.steps * budget.batch
    with progress("training fresh discriminators", total) as advance:
        for key, whole_image in kinds.items():
            judge = partial(
                two_sample.discriminator_accuracy,
                real,
                budget=budget,
                whole_image=whole_image,
                network=network,
                seed=seed,
                advance=advance,
            )
            found = devices.each_on_a_device(judge, (synthetic, refined))
            found = dict(zip(("synthetic", "refined"), found, strict=True))
            result[key] = {name: x["accuracy"] for name, x in found.items()}
            result[f"{key}_interval"] = {name: x["interval"] for name, x in found.items()}
    return result
