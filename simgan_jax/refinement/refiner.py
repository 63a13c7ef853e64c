"""A trained refiner as a function of integer images of any number and size."""

import copy
import hashlib
import math
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property, partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Float, Int, PyTree, Shaped
from ml_collections import ConfigDict

from simgan_jax.data.histogram_matching import match
from simgan_jax.errors import UserError
from simgan_jax.io.image_files import luminance
from simgan_jax.ranges import from_unit, to_unit
from simgan_jax.refinement.jobs import Job, Patch
from simgan_jax.training import devices

# Pixels a device refines in one call. On CPU what stays in cache is fastest; on accelerators a
# mebipixel takes some 256 MiB a feature map with the paper's 64 features.
CPU_BATCH_PIXELS, ACCELERATOR_PIXELS = 2**13, 2**20
# An image larger than this is refined window by window. On CPU that is faster than at once, too.
CPU_WINDOW_PIXELS = 2**14
LARGEST_BATCH = 512
# Twice the refiner's change; beyond, most pixels are black or white.
STRONGEST = 2.0


class Refine:
    """Integer images to refined ones of the same shape and type; made by `loading.load_refiner`."""

    def __init__(
        self,
        refiner: nn.Module,
        params: PyTree[Float[Array, "..."]],
        max_pixels: int | None = None,
        seed: int = 0,
        config: ConfigDict | None = None,
        step: int | None = None,
        strength: float = 1.0,
        histograms: Shaped[np.ndarray, "k levels c"] | None = None,
    ):
        """Compiles nothing yet; that happens once for each size of windows.

        Args:
            refiner: a `models.refiner.Refiner`.
            params: of it.
            max_pixels: most pixels a device refines at once, which bounds memory; larger images are
                refined in windows, without seams. By default what is fast on the device.
            seed: of the noise of refiners that take noise, and of which histogram an image gets.
            config: of the run it comes from.
            step: of the run.
            strength: how far images go from what they were (0) to what the refiner makes of them (1),
                or beyond.
            histograms: sorted values of real images, which images get before they are refined; None
                where they are refined as they come.

        Raises:
            UserError: max_pixels is less than a window must have, or the strength is out of range.
        """
        self.refiner, self.params, self.seed = refiner, params, seed
        self.strength = _checked(strength)
        self.channels = refiner.channels
        self.config, self.step = config, step
        self.histograms = histograms
        self.margin = (refiner.receptive_field - 1) // 2
        cpu = jax.default_backend() == "cpu"
        # A window of 8 margins spends 44 % of the work on what it leaves to its neighbours.
        least = (8 * self.margin) ** 2
        default = max(CPU_WINDOW_PIXELS if cpu else ACCELERATOR_PIXELS, least)
        self.max_pixels = max_pixels or default
        self._batch_pixels = min(self.max_pixels, CPU_BATCH_PIXELS if cpu else ACCELERATOR_PIXELS)
        smallest = (2 * self.margin + 1) ** 2
        if self.max_pixels < smallest:
            raise UserError(
                f"max_pixels is {self.max_pixels}, must be at least {smallest}: the refiner looks at "
                f"{refiner.receptive_field} x {refiner.receptive_field} pixels for each"
            )
        self._refine = devices.spread(_forward(refiner), params)

    def __call__(
        self, images: Shaped[np.ndarray, "n h w c"], rows: Int[np.ndarray, "n"] | None = None
    ) -> Shaped[np.ndarray, "n h w c"]:
        """Refines.

        Args:
            images: uint8 or uint16, of any number and size; colour given to a grey refiner keeps its
                chroma, grey given to a colour refiner becomes grey again.
            rows: numbers of the images, by which each always gets the same noise and histogram;
                0, 1, 2, ... by default.

        Returns:
            Images of the same shape and type.

        Raises:
            UserError: another shape or type.
        """
        images = np.asarray(images)
        if images.ndim != 4 or images.dtype not in (np.uint8, np.uint16):
            raise UserError(
                f"images are {images.dtype} {images.shape}, must be uint8 or uint16 [N, H, W, C]"
            )
        if not len(images):
            return images
        job = self.job(images, rows=rows)
        most = len(images) * math.prod(map(len, job.windows()))
        (done,) = self.run([job], most)
        return done.result()

    def match(
        self,
        images: Shaped[np.ndarray, "n h w c"],
        rows: Int[np.ndarray, "n"] | None = None,
        name: str = "",
    ) -> Shaped[np.ndarray, "n h w c"]:
        """Images as the network gets them: with the grey values of real ones, if the run matched them.

        What refining then changes is seen against these.

        Args:
            images: uint8 or uint16 with the refiner's channels.
            rows: as for refining.
            name: of the picture, if it has one.
        """
        if self.histograms is None:
            return images
        kept = self.histograms
        if kept.dtype != images.dtype:
            kept = np.asarray(from_unit(to_unit(kept), images.dtype))
        rows = np.arange(len(images)) if rows is None else rows
        drawn = [self._random(name, row).integers(len(kept)) for row in rows]
        return match(images, kept, drawn)

    def at(self, strength: float) -> "Refine":
        """The same at another strength; what is compiled is shared.

        Raises:
            UserError: the strength is out of range.
        """
        other = copy.copy(self)
        other.strength = _checked(strength)
        return other

    @cached_property
    def sha256(self) -> str:
        """Checksum of the refiner's description, parameters and histograms."""
        sha = hashlib.sha256(repr(self.refiner).encode())
        if self.histograms is not None:
            sha.update(np.ascontiguousarray(self.histograms).data)
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
            sha.update(jax.tree_util.keystr(path).encode())
            sha.update(np.ascontiguousarray(leaf).data)
        return sha.hexdigest()

    def job(
        self,
        pixels: Shaped[np.ndarray, "n h w c"],
        name: str = "",
        rows: Int[np.ndarray, "n"] | None = None,
        window: tuple[int, int] | None = None,
        tag: Any = None,
    ) -> Job:
        """Prepares images for `run`; see `Job` for the arguments.

        Raises:
            UserError: neither grey nor of the refiner's channels.
        """
        given, wanted = pixels.shape[3], self.channels
        if given not in (1, 3, wanted) or wanted not in (1, 3, given):
            raise UserError(f"images have {given} channels, the refiner takes {wanted}")
        inputs = pixels
        if given != wanted:
            inputs = luminance(pixels) if wanted == 1 else pixels.repeat(3, axis=3)
        window = window or self.window(*pixels.shape[1:3])
        rows = np.arange(len(pixels)) if rows is None else rows
        matched, refined = self.match(inputs, rows, name), np.empty_like(inputs)
        return Job(
            pixels,
            inputs,
            matched,
            name,
            rows,
            window,
            self.margin,
            refined,
            self.strength,
            tag=tag,
        )

    def run(self, jobs: Iterable[Job], most: int | None = None) -> Iterator[Job]:
        """Refines jobs in full batches of one shape each, whatever job an image comes from.

        Takes jobs as it needs them and yields each when its last window is back; batches of the same
        size of window are collected across jobs, and the last one is filled up. While the device
        works, the next batch is prepared.

        Args:
            jobs: from `job`.
            most: windows there are altogether, if known and few.
        """
        waiting: dict[Any, list[Patch]] = defaultdict(list)
        flying: deque = deque()
        for job in jobs:
            size = self._batch(job.window, most)
            key = (job.window, job.inputs.dtype)
            for patch in job.patches(partial(self._noise, job)):
                waiting[key].append(patch)
                if len(waiting[key]) == size:
                    flying.append(self._launch(waiting.pop(key), size))
                    if len(flying) > 2:
                        yield from self._land(*flying.popleft())
        for (window, _), patches in waiting.items():
            flying.append(self._launch(patches, self._batch(window, most)))
        while flying:
            yield from self._land(*flying.popleft())

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Height and width refined at once of images of this size: all, if few enough pixels."""
        if height * width <= self.max_pixels:
            return height, width
        side = math.isqrt(self.max_pixels)
        rows = min(height, max(side, self.max_pixels // width))
        return rows, min(width, self.max_pixels // rows)

    def _batch(self, window: tuple[int, int], most: int | None) -> int:
        """Windows in a batch; a power of two for few, so that few sizes are compiled."""
        size = min(max(1, self._batch_pixels // math.prod(window)), LARGEST_BATCH)
        size *= jax.local_device_count()
        return size if most is None else min(size, 2 ** (most - 1).bit_length())

    def _noise(self, job: Job, image: int) -> Float[np.ndarray, "h w n"] | None:
        """Noise of a whole image."""
        channels = self.refiner.noise_channels
        if not channels:
            return None
        shape = (*job.inputs.shape[1:3], channels)
        return self._random(job.name, job.rows[image]).standard_normal(shape, np.float32)

    def _random(self, name: str, row: int) -> np.random.Generator:
        """Random numbers of an image: the same in whatever company it is refined."""
        digest = hashlib.sha256(os.fsencode(f"{self.seed}/{name}/{row}")).digest()
        return np.random.default_rng(int.from_bytes(digest[:8]))

    def _launch(self, patches: list[Patch], size: int) -> tuple[list[Patch], Array]:
        # Short batches repeat their last window: one shape, one compilation.
        full = patches + patches[-1:] * (size - len(patches))
        images = np.stack([patch.cut_inputs() for patch in full])
        noise = None if full[0].noise is None else np.stack([patch.cut_noise() for patch in full])
        return patches, self._refine(images, noise)

    def _land(self, patches: list[Patch], refined: Array) -> Iterator[Job]:
        images = np.asarray(refined).reshape(-1, *refined.shape[2:])
        for patch, image in zip(patches, images, strict=False):
            if patch.put_back(image):
                yield patch.job


@cache
def _forward(refiner: nn.Module) -> Callable[..., Shaped[Array, "b h w c"]]:
    """From parameters, images and noise; one function for all equal refiners, compiled once."""

    def forward(params, images, noise):
        inputs = (to_unit(images),) if noise is None else (to_unit(images), noise)
        return from_unit(refiner.apply({"params": params}, *inputs), images.dtype)

    return forward


def _checked(strength: float) -> float:
    if not 0 <= strength <= STRONGEST:
        raise UserError(f"strength is {strength}, must be in 0..{STRONGEST}")
    return strength
