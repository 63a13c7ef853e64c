"""What the variants of the experiment differ by."""

from typing import Any

from experiments import paired
from simgan_jax.metrics.label_shift import LEAST_FOLLOWED

# Of the variants that are no change of "base".
BASE = {
    "base": None,
    "raw": None,
    "raw no history": "raw",
    "raw global": "raw",
    "raw long": None,
    "raw long no history": "raw long",
}
COMPARED = ("kid", "fresh discriminator", "label shift", "angular error")


def compare(variants: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """What every variant differs from its base by, over the seeds that both have.

    A label shift is "lost", and no difference of it clear, where a run's content is followed in too few
    images.
    """
    found = []
    for name, runs in variants.items():
        base = BASE.get(name, "base")
        if base not in variants:
            continue
        pairs = list(zip(runs, variants[base], strict=False))
        for measure in COMPARED:
            if all(measure in run for pair in pairs for run in pair):
                ours, theirs = ([run[measure] for run in side] for side in zip(*pairs, strict=True))
                named = {"variant": name, "against": base, "figure": measure}
                found.append(named | paired.difference(ours, theirs))
                if measure == "label shift" and any(lost(run) for pair in pairs for run in pair):
                    found[-1] |= {"lost": True, "clear": False}
    return found


def lost(run: dict[str, float]) -> bool:
    """Whether the content is lost in so many images that the label shift says nothing."""
    return run.get("followed", 1.0) < LEAST_FOLLOWED
