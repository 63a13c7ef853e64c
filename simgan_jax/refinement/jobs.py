"""A picture on its way through a refiner: cut into windows, and put together again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from simgan_jax.io.image_files import luminance
from simgan_jax.refinement.windows import Window, windows


@dataclass(eq=False)
class Job:
    """One picture, or several of one size.

    Attributes:
        pixels: as they came.
        inputs: the same with the refiner's channels.
        matched: what is refined: these, with the grey values of real images if the run matched them.
        name: decides the noise and the histogram of each image, with its number in `rows`.
        rows: numbers of the images.
        window: height and width refined at once.
        margin: pixels around a window's exact part, see `windows`.
        refined: filled as windows come back.
        strength: how far the result goes from what came (0) to what is refined (1).
        left: windows still to come.
        tag: the caller's.
    """

    pixels: Shaped[np.ndarray, "n h w c"]
    inputs: Shaped[np.ndarray, "n h w channels"]
    matched: Shaped[np.ndarray, "n h w channels"]
    name: str
    rows: Int[np.ndarray, "n"]
    window: tuple[int, int]
    margin: int
    refined: Shaped[np.ndarray, "n h w channels"]
    strength: float = 1.0
    left: int = 0
    tag: Any = None

    def windows(self) -> tuple[list[Window], list[Window]]:
        """Windows along the height and along the width."""
        sizes = zip(self.inputs.shape[1:3], self.window, strict=True)
        return tuple(windows(size, window, self.margin) for size, window in sizes)

    def patches(
        self, noise: Callable[[int], Float[np.ndarray, "h w k"] | None]
    ) -> Iterator["Patch"]:
        """All windows of all images.

        Args:
            noise: of the image with a number, or None; called once for each, since its windows must
                fit each other.
        """
        rows, columns = self.windows()
        self.left = len(self.inputs) * len(rows) * len(columns)
        for image in range(len(self.inputs)):
            field = noise(image)
            for r, c in product(rows, columns):
                yield Patch(self, image, r, c, field)

    def result(self) -> Shaped[np.ndarray, "n h w c"]:
        """The refined pixels with the channels that came.

        A colour image refined by a grey refiner gets the change of its luminance in every channel, so
        that R - Y and B - Y, its chroma, stay. A grey one gets the luminance of the refined colours.
        """
        refined, before = self.refined, self.inputs
        if self.strength == 1 and refined.shape == self.pixels.shape:
            return refined
        if self.pixels.shape[3] == 1 != refined.shape[3]:
            refined, before = luminance(refined), self.pixels
        change = np.round(self.strength * (refined.astype(np.int32) - before)).astype(np.int32)
        top = np.iinfo(self.pixels.dtype).max
        return (self.pixels + change).clip(0, top).astype(self.pixels.dtype)


class Patch(NamedTuple):
    """One window of one image of a job."""

    job: Job
    image: int
    rows: Window
    columns: Window
    noise: Float[np.ndarray, "h w k"] | None

    def cut_inputs(self) -> Shaped[np.ndarray, "window_h window_w channels"]:
        """What the refiner gets."""
        return self._cut(self.job.matched[self.image])

    def cut_noise(self) -> Float[np.ndarray, "window_h window_w k"]:
        """What a refiner with noise gets, too."""
        return self._cut(self.noise)

    def put_back(self, refined: Shaped[np.ndarray, "window_h window_w channels"]) -> bool:
        """Puts the exact part of a refined window in its place; says whether the job is complete."""
        (top, first, last), (left, start, end) = self.rows, self.columns
        part = refined[first - top : last - top, start - left : end - left]
        self.job.refined[self.image, first:last, start:end] = part
        self.job.left -= 1
        return not self.job.left

    def _cut(self, whole: np.ndarray) -> np.ndarray:
        (height, width), top, left = self.job.window, self.rows.start, self.columns.start
        return whole[top : top + height, left : left + width]
