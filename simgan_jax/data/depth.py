"""How depth becomes an image and back: a window of millimetres onto the 16-bit range.

0 is the near end of the window (centre_mm - half_range_mm) and 65535 the far end
(centre_mm + half_range_mm), linear between: one grey level is 2 * half_range_mm / 65535, which is
0.0046 mm by default. The far end is also the background. So inside a network, in [-1, 1], a hand is
below 1 and everything behind it is 1.
"""

import numpy as np
from jaxtyping import Float, Real, Shaped, UInt16

# A cube of 300 mm around the hand is what most users of the NYU set cut out.
HALF_RANGE_MM = 150.0
BACKGROUND = np.iinfo(np.uint16).max


def encode_depth(
    depth_mm: Real[np.ndarray, "*shape"],
    centre_mm: Real[np.ndarray, "..."] | float,
    half_range_mm: float = HALF_RANGE_MM,
) -> UInt16[np.ndarray, "*shape"]:
    """Depth in millimetres to a 16-bit image.

    Args:
        depth_mm: distance from the camera; nearer than the window becomes 0, farther becomes
            background, and so does a pixel without a reading (0, negative, inf or NaN).
        centre_mm: middle of the window; a number or an array that broadcasts against `depth_mm`.
        half_range_mm: half the window's depth.
    """
    depth_mm = np.asarray(depth_mm, np.float64)
    no_reading = ~np.isfinite(depth_mm) | (depth_mm <= 0)
    near = np.asarray(centre_mm, np.float64) - half_range_mm
    share = (np.where(no_reading, np.inf, depth_mm) - near) / (2 * half_range_mm)
    return np.round(np.clip(share, 0, 1) * BACKGROUND).astype(np.uint16)


def decode_depth(
    image: Shaped[np.ndarray, "*shape"],
    centre_mm: Real[np.ndarray, "..."] | float,
    half_range_mm: float = HALF_RANGE_MM,
) -> Float[np.ndarray, "*shape"]:
    """Inverse of `encode_depth` up to half a grey level, inside the window.

    Background comes back as centre_mm + half_range_mm, the far end.

    Args:
        image: 0..65535.
        centre_mm: as it was encoded.
        half_range_mm: as it was encoded.

    Returns:
        float32 millimetres.
    """
    near = np.asarray(centre_mm, np.float64) - half_range_mm
    depth_mm = near + np.asarray(image, np.float64) / BACKGROUND * (2 * half_range_mm)
    return depth_mm.astype(np.float32)


def measured_depth(
    images: UInt16[np.ndarray, "n h w 1"],
    centre_mm: Real[np.ndarray, "n"],
    half_range_mm: float = HALF_RANGE_MM,
) -> Float[np.ndarray, "n h w"]:
    """`decode_depth` of a set, with NaN where an image shows the background.

    Args:
        images: 0..65535.
        centre_mm: as each was encoded.
        half_range_mm: as they were encoded.
    """
    depth_mm = decode_depth(images[..., 0], np.asarray(centre_mm)[:, None, None], half_range_mm)
    return np.where(images[..., 0] == BACKGROUND, np.float32(np.nan), depth_mm)
