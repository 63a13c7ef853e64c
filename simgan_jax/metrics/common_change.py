"""What a refiner paints alike into every image, and whether its images differ as real ones do.

A refiner that found one picture which always pleases the discriminator adds it to everything: a second
pupil, a frame, a shadow in the corner. Neither label shift nor a discriminator of patches objects.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from simgan_jax.metrics.intervals import interval, resampled_counts

# Share of all change, beyond tone and what real images have in common, up to which nothing counts as
# painted alike into every image: see `common_change` for what was measured.
LARGEST = 0.03
TINY = 1e-12
RESAMPLES = 200  # of a bootstrap
LEVELS = 16  # of grey, equally full, between which a tone curve is free


class Spot(NamedTuple):
    """A pixel of the mean change.

    Attributes:
        x, y: pixels to the right and down, from the centre if one was given, else from the upper left.
        change: there, a mean of channels; images being in [-1, 1], 2 is from black to white.
    """

    x: int
    y: int
    change: float


class CommonChange(NamedTuple):
    """The part of all changes that is one picture.

    Attributes:
        picture: mean change, NaN where fewer than half of the images reach.
        share: energy of the mean change over the mean energy of changes, 0 to 1: how much of all that
            was done was done alike everywhere. The mean of a finite number of images would add the
            noise of the rest; products of different images alone are taken, so that 0 is expected where
            nothing is common (and values just below it occur).
        interval: 95 % of the share, bootstrap over images.
        flat: the part of the share that is one grey value: all images brighter or darker by as much.
        darkest, brightest: where the picture is lowest and highest.
    """

    picture: Float[np.ndarray, "h w c"]
    share: float
    interval: list[float]
    flat: float
    darkest: Spot
    brightest: Spot


def common_change(
    synthetic: Float[np.ndarray, "n h w c"],
    refined: Float[np.ndarray, "n h w c"],
    centre: Float[np.ndarray, "n 2"] | None = None,
    beyond_tone: bool = False,
    real: Float[np.ndarray, "m h w c"] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> CommonChange:
    """Measures the mean of refined - synthetic.

    Most of it is innocent: where renderings are flat and photographs equalised, skin gets brighter and
    irises darker in every image, all eyes lie at the same place, and all photographs may have a shadow
    under the brow. On the embedded eyes the camera's own look on the simulator's scenes, the best that
    a refiner could do, has a share of 0.22 and equalised renderings one of 0.42. Beyond tone they have
    0.03 and 0.00, beyond what the camera's images have in common as well 0.005 and 0.001; with a light
    spot beside each pupil painted over it the former has 0.12, with a dark frame 0.07, with a bright
    one 0.03; with a second pupil, 5 px wide, 0.01, which this measure does not see.

    Args:
        synthetic: in [-1, 1].
        refined: the same images, refined.
        centre: (x, y) in pixels of something that every image shows, such as the pupil: changes are
            averaged around it, moved by whole pixels. What is painted beside every iris is one picture
            there, and is smeared without.
        beyond_tone: leave out of the mean change what a tone curve would do, one of each image's own:
            the mean change over pixels of a similar grey value. Its share is still that of all change.
        real: images in [-1, 1]; leave out of the mean change, pixel by pixel, what brings the mean
            image nearer to theirs: a shadow that all of them have is to be learned.
        resamples: bootstrap samples.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than two images, or centres so far apart that half of the images share none
            of the pixels around them.
    """
    count = len(synthetic)
    if count < 2:
        raise ValueError(f"{count} image(s); a common change needs at least two")
    before = np.asarray(synthetic, np.float32)
    whole = np.asarray(refined, np.float32) - before
    wanted = np.zeros_like(before)
    if real is not None:
        wanted += np.mean(real, 0, dtype=np.float32) - before.mean(0)
        wanted = _beyond_tone(before, wanted) if beyond_tone else wanted
    change = _beyond_tone(before, whole) if beyond_tone else whole
    seen, origin = np.ones((*whole.shape[:3], 1), np.float32), np.zeros(2, int)
    if centre is not None:
        origin = np.rint(np.mean(centre, 0)).astype(int)
        step = np.rint(origin - np.asarray(centre)).astype(int)
        change, whole, wanted, seen = (_moved(x, step) for x in (change, whole, wanted, seen))
    reached = seen.mean(0) >= 0.5
    if not reached.any():
        raise ValueError("centres are too far apart: no pixel around them is in half of the images")
    change, whole, wanted, seen = (x * reached for x in (change, whole, wanted, seen))
    mean, wanted = (x.sum(0) / np.maximum(seen.sum(0), 1) for x in (change, wanted))
    learned = np.clip(mean, np.minimum(wanted, 0), np.maximum(wanted, 0))
    share, ends, flat = _shares(change - learned * seen, whole, seen, resamples, seed)
    picture = np.where(reached, mean - learned, np.nan)
    grey = picture.mean(-1)
    return CommonChange(
        picture=picture,
        share=share,
        interval=ends,
        flat=flat,
        darkest=_spot(grey, np.nanargmin(grey), origin),
        brightest=_spot(grey, np.nanargmax(grey), origin),
    )


def diversity(
    refined: Float[np.ndarray, "n ..."],
    real: Float[np.ndarray, "m ..."],
    seed: int = 0,
) -> tuple[float, list[float]]:
    """How much refined images differ from each other, over how much real ones do.

    Well below 1, the refiner draws a few pictures instead of many.

    Args:
        refined: pixels in any scale, or features (`kid.features`).
        real: the same of real images, of any number.
        seed: of the bootstrap.

    Returns:
        Standard deviation over images, its mean over pixels or features, refined over real; and its
        interval, 95 %, bootstrap over images.
    """
    rng = np.random.default_rng(seed)
    spreads, samples = [], []
    for values in (refined, real):
        x = np.asarray(values, np.float32).reshape(len(values), -1)
        x = x - x.mean(0)  # squares of large numbers would lose the digits that differ
        once = np.full((1, len(x)), 1 / len(x), np.float32)
        drawn = resampled_counts(rng, len(x), RESAMPLES) / len(x)
        spreads.append(_spread(once, x)[0])
        samples.append(_spread(drawn.astype(np.float32), x))
    ratio = spreads[0] / max(spreads[1], TINY)
    return float(ratio), interval(samples[0] / np.maximum(samples[1], TINY))


def _shares(
    change: Float[np.ndarray, "n h w c"],
    whole: Float[np.ndarray, "n h w c"],
    seen: Float[np.ndarray, "n h w 1"],
    resamples: int,
    seed: int,
) -> tuple[float, list[float], float]:
    """`share`, `interval` and `flat` of `CommonChange`.

    Args:
        change: that may be common; 0 where not seen.
        whole: all that was done, whose energy the shares are of; 0 where not seen.
        seen: 0 or 1.
        resamples: bootstrap samples.
        seed: of the bootstrap.
    """
    count = len(change)
    pixels = change.reshape(count, -1)
    energy = (whole**2).reshape(count, -1).sum(1)
    mask = np.broadcast_to(seen, change.shape).reshape(count, -1)
    area = mask.sum(1, keepdims=True)
    brightness = pixels.sum(1, keepdims=True) / np.maximum(area, 1)
    once = np.ones((1, count), np.float32)
    drawn = resampled_counts(np.random.default_rng(seed), count, resamples)
    share, samples = (
        _common(w, pixels, mask).sum(1) / np.maximum(w @ energy, TINY)
        for w in (once, drawn.astype(np.float32))
    )
    # One number an image, which stands for all of its pixels.
    flat = _common(once, brightness, np.ones_like(brightness)).sum() / count
    flat *= area.sum() / max(energy.sum(), TINY)
    return float(share[0]), interval(samples), float(flat)


def _common(
    weight: Float[np.ndarray, "b n"],
    change: Float[np.ndarray, "n p"],
    seen: Float[np.ndarray, "n p"],
) -> Float[np.ndarray, "b p"]:
    """Mean products of the changes of two different images, times the number of images.

    Args:
        weight: how often each image counts, for each of b samples.
        change: 0 where not seen.
        seen: 0 or 1.
    """
    count = weight @ seen
    pairs = count**2 - weight**2 @ seen
    product = (weight @ change) ** 2 - weight**2 @ change**2
    return np.divide(count * product, pairs, out=np.zeros_like(product), where=pairs > 0.5)


def _beyond_tone(
    before: Float[np.ndarray, "n h w c"], change: Float[np.ndarray, "n h w c"]
) -> Float[np.ndarray, "n h w c"]:
    """Changes less their means over pixels of a similar value, image by image, channel by channel."""
    size = before.shape
    before, change = (x.reshape(size[0], -1, size[-1]) for x in (before, change.copy()))
    edges = np.quantile(before, np.arange(1, LEVELS) / LEVELS, axis=1)
    level = sum((before > edge[:, None]).astype(np.int8) for edge in edges)
    for k in range(LEVELS):
        inside = level == k
        change -= inside * (
            (change * inside).sum(1, keepdims=True) / np.maximum(inside.sum(1, keepdims=True), 1)
        )
    return change.reshape(size)


def _spread(
    weight: Float[np.ndarray, "b n"], x: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "b"]:
    """Mean over d of the standard deviation over n; weights add up to 1."""
    return np.sqrt(np.maximum(weight @ x**2 - (weight @ x) ** 2, 0)).mean(1)


def _moved(images: Float[np.ndarray, "n h w c"], step: np.ndarray) -> Float[np.ndarray, "n h w c"]:
    """Images moved by whole pixels (x, y), one step an image, with 0 where nothing comes from."""
    height, width = images.shape[1:3]
    row, column = np.arange(height) - step[:, 1:], np.arange(width) - step[:, :1]
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None]
    row, column = row.clip(0, height - 1), column.clip(0, width - 1)
    here = np.arange(len(images))[:, None, None]
    return images[here, row[:, :, None], column[:, None]] * inside[..., None]


def _spot(grey: Float[np.ndarray, "h w"], index: int, origin: np.ndarray) -> Spot:
    y, x = np.unravel_index(index, grey.shape)
    return Spot(int(x - origin[0]), int(y - origin[1]), float(grey[y, x]))
