"""What goes wrong in SimGAN training, read from a run's metrics, and which setting to move."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from simgan_jax.estimators.tasks import HARMFUL
from simgan_jax.losses import ADVERSARIAL
from simgan_jax.metrics import common_change, eye_whites, label_shift

# A complaint needs the metric to be out of bounds in this many log lines in a row.
PATIENCE = 3


class Complaint(NamedTuple):
    """What is wrong with a run; as text, one line.

    Attributes:
        name: of the failure.
        sentence: what is seen, with its numbers.
        remedy: the settings to move.
    """

    name: str
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sentence}; {self.remedy}"


def sample_statistics(
    refined: Float[Array, "n h w c"],
    synthetic: Float[Array, "n h w c"],
    background: float | None = None,
) -> dict[str, float]:
    """How refined images relate to the synthetic ones they come from.

    Args:
        refined: [-1, 1].
        synthetic: [-1, 1].
        background: value of pixels that the refiner passes unchanged, if there are such.

    Returns:
        samples/change: mean |R(x) - x| of the pixels that are no background;
        samples/correlation: mean over images of the correlation of R(x) and x over pixels (-1 is
        inverted contrast); samples/diversity: spread over images of the refined pixels divided by that
        of the synthetic ones (0 is collapse).
    """
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (refined, synthetic))
    a0, b0 = (x - x.mean(1, keepdims=True) for x in (a, b))
    norms = np.sqrt((a0**2).sum(1) * (b0**2).sum(1))
    free = np.ones_like(b, bool) if background is None else np.abs(b - background) > 1e-6
    return {
        "samples/change": float(np.abs(a - b).sum() / max(free.sum(), 1)),
        "samples/correlation": float(((a0 * b0).sum(1) / np.maximum(norms, 1e-12)).mean()),
        "samples/diversity": float(a.std(0).mean() / max(b.std(0).mean(), 1e-12)),
    }


def examine(
    rows: list[Mapping[str, float]], adversarial: str, drift_limit: float = math.inf
) -> list[Complaint]:
    """Complaints about a run; [] for a healthy one.

    Args:
        rows: of metrics.jsonl, oldest first; only the adversarial phase is judged.
        adversarial: the run's loss, a name of `losses.ADVERSARIAL`.
        drift_limit: of what estimators read, see `estimators.tasks`.
    """
    undecided = ADVERSARIAL[adversarial].undecided[0]
    rows = [row for row in rows if row["phase"] == "adversarial"]
    recent = [row for row in rows if "discriminator/loss" in row][-PATIENCE:]
    samples = [row for row in rows if "samples/change" in row][-1:]
    complaints = []
    if len(recent) == PATIENCE:
        if all(_undecided(row, undecided) for row in recent):
            complaints.append(
                Complaint(
                    "undecided",
                    f"the discriminator is stuck at a loss of {undecided:.3g} (it tells nothing apart)",
                    "raise config.optimizer.discriminator.learning_rate or "
                    "config.train.discriminator_updates",
                )
            )
        if all(_saturated(row) for row in recent):
            complaints.append(
                Complaint(
                    "saturated",
                    "the discriminator is always right, its loss near 0",
                    "lower config.optimizer.discriminator.learning_rate, raise "
                    "config.train.refiner_updates, or lower config.loss.self_regularization",
                )
            )
    return complaints + [
        complaint
        for row in samples
        for complaint in _of_samples(row) + _of_labels(row, drift_limit)
    ]


def _of_samples(row: Mapping[str, float]) -> list[Complaint]:
    complaints = []
    if row["samples/change"] < 0.01:
        complaints.append(
            Complaint(
                "unchanged",
                "refined images equal the synthetic ones (mean change "
                f"{row['samples/change']:.4f} of a range of 2)",
                "lower config.loss.self_regularization or train longer",
            )
        )
    if row["samples/correlation"] < 0:
        complaints.append(
            Complaint(
                "inverted",
                f"refined images are inverted (correlation {row['samples/correlation']:.2f} with the "
                "synthetic ones)",
                "raise config.loss.self_regularization or config.train.pretrain_refiner",
            )
        )
    if row["samples/diversity"] < 0.3:
        complaints.append(
            Complaint(
                "collapsed",
                f"refined images look alike (spread {row['samples/diversity']:.2f} of the synthetic "
                "ones'): collapse",
                "raise config.loss.self_regularization or config.history.size, or lower "
                "config.train.refiner_updates",
            )
        )
    return complaints


def _of_labels(row: Mapping[str, float], drift_limit: float) -> list[Complaint]:
    """What happened to labels, and what was painted; runs of earlier versions have measured less.

    Few images are looked at: figures must be far beyond what is harmless.
    """
    complaints = []
    followed = row.get("samples/followed", 1.0)
    if followed < label_shift.LEAST_FOLLOWED:
        complaints.append(
            Complaint(
                "lost",
                f"the labelled content of {1 - followed:.0%} of the refined images is not found again",
                "raise config.loss.self_regularization or set config.loss.label_shift_target",
            )
        )
    drift = row.get("samples/reading_drift", 0.0)
    if drift > HARMFUL * drift_limit:
        complaints.append(
            Complaint(
                "drift",
                f"estimators read refined images otherwise, by {drift:.2f} on an axis; "
                f"{drift_limit:.2g} would be harmless",
                "raise config.loss.reading.weight or set config.loss.reading.target",
            )
        )
    lost, pattern = (row.get(f"samples/{x}", 0.0) for x in ("whites_lost", "pattern"))
    painted = []
    if lost > 2 * eye_whites.MOST_LOST:
        painted.append(f"{lost:.0%} of the whites of eyes became as dark as the iris")
    if pattern > 2 * common_change.LARGEST:
        painted.append(f"{pattern:.0%} of the change is one picture, the same in every image")
    if painted:
        complaints.append(
            Complaint(
                "painted",
                " and ".join(painted),
                "raise config.loss.self_regularization, or weigh all that must stay "
                "(config.loss.weight.label)",
            )
        )
    return complaints


def _undecided(row: Mapping[str, float], loss: float) -> bool:
    return (
        abs(row["discriminator/loss"] - loss) < 0.003 and row["discriminator/gradient_norm"] < 0.02
    )


def _saturated(row: Mapping[str, float]) -> bool:
    accuracies = [value for name, value in row.items() if name.startswith("discriminator/accuracy")]
    return row["discriminator/loss"] < 0.02 and min(accuracies) > 0.99
