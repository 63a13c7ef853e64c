"""Where the darkest disc of a picture lies: in an eye the iris, mostly; no label is needed."""

import numpy as np
from jaxtyping import Float, Shaped
from scipy import fft  # not scipy.signal, which takes a second to import

# Radii of an iris as shares of the image's width, from the nearest to the farthest eyes.
RADII = (0.13, 0.15, 0.17, 0.19)
# The ring around a disc that it must be darker than, in radii.
RING = 1.4
CHUNK = 256  # bounds the memory


def darkest_disc(images: Shaped[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n 2"]:
    """Centre (x, y) in pixels of the disc that is darkest against the ring around it.

    For the middle of many pictures, not for one: of 400 embedded eyes of 36 x 60 pixels it is off by
    2.7 px in the median, by more than 4 in 12 % (rendered) or 22 % (by the camera); the median place is
    off by 0.5 px at most. The disc's radius hardly goes with the iris's (correlation 0.1 to 0.2), and
    so it is not given.

    Args:
        images: of any scale; channels are averaged, borders repeated.
    """
    starts = range(0, len(images), CHUNK)
    return np.concatenate([_places(images[start : start + CHUNK].mean(-1)) for start in starts])


def _places(grey: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 2"]:
    count, _, width = grey.shape
    responses = []
    for radius in np.array(RADII) * width:
        reach = int(np.ceil(RING * radius))
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        distance = np.hypot(x, y)
        disc = distance <= radius
        ring = (distance <= RING * radius) & ~disc
        kernel = ring / ring.sum() - disc / disc.sum()
        padded = np.pad(grey, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
        responses.append(_convolve(padded, kernel))
    best = np.max(responses, axis=0).reshape(count, -1).argmax(1)
    return np.stack(np.divmod(best, width)[::-1], axis=-1).astype(np.float64)


def _convolve(
    padded: Float[np.ndarray, "n h w"], kernel: Float[np.ndarray, "k k"]
) -> Float[np.ndarray, "n h2 w2"]:
    """Where the kernel lies within the images: what goes round their edges is left out."""
    size = [fft.next_fast_len(length, real=True) for length in padded.shape[1:]]
    product = fft.rfft2(padded, size) * fft.rfft2(kernel, size)
    (rows, columns), reach = padded.shape[1:], len(kernel) - 1
    return fft.irfft2(product, size)[:, reach:rows, reach:columns]
