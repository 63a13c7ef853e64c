"""The same few images, refined at each look at a run: pictures, statistics, label shift."""

from functools import partial
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, PyTree, Shaped

from simgan_jax import ranges
from simgan_jax.data import Arrays
from simgan_jax.io import image_files
from simgan_jax.metrics import label_shift
from simgan_jax.setup import Setup
from simgan_jax.state import sample_noise
from simgan_jax.training import doctor
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
    ):
        """Prepares refining and measuring.

        Args:
            setup: of the run.
            folder: for pictures; made when there is one.
            synthetic: labelled images.
            real: images.
        """
        # Copies, that do not hold on to whole sets.
        self._folder, self._before = folder, np.array(synthetic.images[:SIZE])
        self._real = np.array(real[:ROWS])
        self._background = getattr(setup.refiner, "background", None)
        labels = synthetic[:SIZE].labels
        self._window = label_shift.window(labels, self._before.shape[:3])
        self._refine = jax.jit(partial(refine_probe, setup=setup))

    def look(self, step: int, params: PyTree[Array]) -> dict[str, float]:
        """Refines the images; draws synthetic | refined | real, and measures.

        Args:
            step: of the run; the picture's name.
            params: of the refiner.

        Returns:
            `doctor.sample_statistics`; samples/followed: share of the images whose labelled content is
            found again; samples/label_shift: its mean motion in these, in pixels, if there are any.
        """
        after = np.asarray(self._refine(params, self._before))
        if is_first():
            self._draw(step, after)
        refined, synthetic = ranges.to_unit(after), ranges.to_unit(self._before)
        shift = label_shift.summarize(
            label_shift.measure(synthetic, refined, self._window), self._before.shape[2]
        )
        row = doctor.sample_statistics(refined, synthetic, self._background)
        if shift["followed"]:
            row["samples/label_shift"] = shift["mean"]
        return row | {"samples/followed": shift["followed"]}

    def _draw(self, step: int, after: Shaped[np.ndarray, "n h w c"]) -> None:
        rows = min(len(after), len(self._real), ROWS)
        columns = np.stack([self._before[:rows], after[:rows], self._real[:rows]], axis=1)
        self._folder.mkdir(exist_ok=True)
        image_files.write_image(self._folder / f"{step:06d}.png", image_files.grid(columns))


def refine_probe(
    params: PyTree[Array], synthetic: Shaped[Array, "n h w c"], setup: Setup
) -> Shaped[Array, "n h w c"]:
    """Integer images to refined ones of the same type, always with the same noise."""
    unit = ranges.to_unit(synthetic)
    noise = sample_noise(setup, jax.random.key(0), unit)
    return ranges.from_unit(setup.refine(params, unit, noise), synthetic.dtype)
