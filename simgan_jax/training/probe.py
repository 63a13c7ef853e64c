"""The same few images, refined at each look at a run: pictures, statistics, what became of labels."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree, Shaped

from simgan_jax import ranges
from simgan_jax.data import Arrays
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.estimators.tasks import TASKS
from simgan_jax.io import image_files
from simgan_jax.metrics import label_shift
from simgan_jax.metrics.common_change import common_change
from simgan_jax.metrics.eye_whites import whites
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState, refiner_params, sample_noise
from simgan_jax.training import doctor
from simgan_jax.training.frozen import frozen_estimators
from simgan_jax.training.processes import is_first

# Synthetic images that are refined at each look, and rows of the picture.
SIZE, ROWS = 64, 8


class Probe:
    """The first images of a run's sets."""

    def __init__(
        self,
        setup: Setup,
        folder: Path,
        synthetic: Arrays,
        real: Shaped[np.ndarray, "n h w c"],
        task: str = "none",
    ):
        """Prepares refining and measuring.

        Args:
            setup: of the run.
            folder: for pictures; made when there is one.
            synthetic: labelled images.
            real: images.
            task: of the run; a name of `tasks.TASKS` where the setup has estimators.
        """
        self._setup, self._task = setup, task
        # Copies, that do not hold on to whole sets.
        self._folder, self._before = folder, np.array(synthetic.images[:SIZE])
        # Photographs lie person by person.
        self._real = np.array(real[np.linspace(0, len(real) - 1, min(SIZE, len(real))).astype(int)])
        self._background = getattr(setup.refiner, "background", None)
        self._labels = labels = synthetic[:SIZE].labels
        self._window = label_shift.window(labels, self._before.shape[:3])

    def look(self, step: int, state: TrainState) -> dict[str, float]:
        """Refines the images; draws synthetic | refined | real, and measures.

        Args:
            step: of the run; the picture's name.
            state: of the run, on the devices.

        Returns:
            `doctor.sample_statistics`; samples/followed: share of the images whose labelled content is
            found again; samples/label_shift: its mean motion in these, in pixels, if there are any;
            samples/reading_drift: `drift` of the state's estimators, if there are any; what `painted`
            finds.
        """
        after = np.asarray(refine_probe(refiner_params(state), self._before, setup=self._setup))
        if is_first():
            self._draw(step, after)
        refined, synthetic = ranges.to_unit(after), ranges.to_unit(self._before)
        shift = label_shift.summarize(
            label_shift.measure(synthetic, refined, self._window), self._before.shape[2]
        )
        row = doctor.sample_statistics(refined, synthetic, self._background)
        if shift["followed"]:
            row["samples/label_shift"] = shift["mean"]
        if estimators := frozen_estimators(self._task, self._setup, state.estimators):
            row["samples/reading_drift"] = drift(estimators, self._before, after)
        row["samples/followed"] = shift["followed"]
        images = (np.asarray(ranges.to_unit(x)) for x in (self._before, after, self._real))
        return row | painted(*images, self._labels)

    def _draw(self, step: int, after: Shaped[np.ndarray, "n h w c"]) -> None:
        rows = min(len(after), len(self._real), ROWS)
        columns = np.stack([self._before[:rows], after[:rows], self._real[:rows]], axis=1)
        self._folder.mkdir(exist_ok=True)
        image_files.write_image(self._folder / f"{step:06d}.png", image_files.grid(columns))


def drift(
    estimators: Sequence[Estimator],
    before: Shaped[np.ndarray, "n h w c"],
    after: Shaped[np.ndarray, "n h w c"],
) -> float:
    """How far what estimators read drifts from images before to those after, in the task's unit.

    The mean signed motion over images, since images whose readings move to and fro teach nothing false;
    its size over estimators, each of which may be deceived another way; of the axis with most of it.
    """
    signed = TASKS[estimators[0].task].signed
    means = np.stack([signed(one(after), one(before)).mean(0) for one in estimators])
    return float(np.abs(means).mean(0).max())


def painted(
    before: Float[np.ndarray, "n h w c"],
    after: Float[np.ndarray, "n h w c"],
    real: Float[np.ndarray, "m h w c"],
    labels: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """What `evaluation.artefacts` measures of more images, without intervals.

    Args:
        before: in [-1, 1].
        after: the same images, refined.
        real: in [-1, 1].
        labels: of the former.

    Returns:
        samples/pattern: share of the change that is one picture, beyond tone and what real images have
        in common; samples/whites_lost, of eyes whose whites show: share of them that got as dark as the
        iris.
    """
    row = {}
    with suppress(ValueError):  # one image, or pupils outside of theirs: nothing is common
        found = common_change(before, after, labels.get("pupil"), True, real, resamples=1)
        row["samples/pattern"] = found.share
    if {"iris_ellipse", "lid"} <= set(labels):
        lost = whites(before, after, labels).lost
        if math.isfinite(lost):
            row["samples/whites_lost"] = lost
    return row


@partial(jax.jit, static_argnames="setup")
def refine_probe(
    params: PyTree[Array], synthetic: Shaped[Array, "n h w c"], setup: Setup
) -> Shaped[Array, "n h w c"]:
    """Integer images to refined ones of the same type, always with the same noise."""
    unit = ranges.to_unit(synthetic)
    noise = sample_noise(setup, jax.random.key(0), unit)
    return ranges.from_unit(setup.refine(params, unit, noise), synthetic.dtype)
