"""A structured-light depth sensor's faults, in the manner of the first Kinect.

The sensor finds a projected dot pattern again in windows some 9 pixels wide. So it smooths depth, draws
jagged outlines and fattens what is in front of something else; it sees nothing where the projector,
75 mm to the camera's right, is blocked or a surface is steep; it measures disparity in eighths of a
pixel, so that steps and noise grow with the square of the distance. Lengths are in mm on the object:
the faults have one size on the hand whatever the image's.

Sources of the figures: focal length 580 px, baseline 75 mm and 1/8 px are the device's published
calibration; noise follows Khoshelham and Elberink, Sensors 12 (2012): 1.5e-6 z^2 mm. Window, outline,
dropout and flying-pixel strengths were set by eye on one frame of the NYU set. Afterwards, with the
scores of a first estimator known, `SEEN` went from 0.52 to 0.55 and `EDGE` from 0.7 to 0.9: faults
should mostly remove surface, because a refiner that keeps the background cannot add any.
"""

import numpy as np
from jaxtyping import Bool, Float

BASELINE_MM = 75.0
STEPS = 580.0 * BASELINE_MM * 8  # depth = STEPS / integer: 1.6 mm apart at 750 mm
NOISE = 1.5e-6  # standard deviation of depth / depth^2, 1/mm
WINDOW_MM = 3.3  # standard deviation of the matching window: 9 px at 750 mm
LOCK_MM = 20.0  # a surface this much nearer weighs e times as much in a window
SEEN = 0.55  # share of a window that must return the pattern; above 0.5 thin things shrink
OUTLINE = 0.12  # standard deviation of that share: jagged outlines
OUTLINE_MM = 3.0  # their correlation length
STEEPEST = 4.0  # mm of depth per mm across, beyond which the pattern is lost
LOST = 2.5  # patches where a standard normal field exceeds this are missing: 0.6 %
PATCH_MM = 5.0  # their correlation length
EDGE = 0.9  # a window less full than this is on the outline
FLYING_SHARE = 0.25  # of the outline's pixels
FLYING_MM = 30.0  # mean depth by which they fly off towards the background


def sense(
    rng: np.random.Generator,
    depth: Float[np.ndarray, "n h w"],
    focal: Float[np.ndarray, "n"],
) -> Float[np.ndarray, "n h w"]:
    """What the sensor reports of a scene.

    Args:
        rng: draws the noise.
        depth: true z in mm, inf where nothing is in range.
        focal: focal length in pixels of this image, not of the sensor.

    Returns:
        float32 z in mm, inf where nothing is in range or the sensor fails.
    """
    finite = np.isfinite(depth)
    middle = np.mean(depth, axis=(1, 2), keepdims=True, where=finite)
    pixel_mm = float(np.mean(middle[:, 0, 0] / focal))
    returned = finite & ~shadowed(depth, focal)

    def field(correlation_mm):
        return _field(rng, depth.shape, correlation_mm / pixel_mm)

    window = _kernel(WINDOW_MM / pixel_mm)
    share = _blur(returned.astype(np.float32), window)
    # A window that holds two surfaces locks on to the nearer: its pattern is larger and brighter.
    relative = np.where(returned, depth - middle, 0).astype(np.float32)
    near = np.where(returned, np.exp(-relative / LOCK_MM), 0)
    seen = _blur(near * relative, window) / np.maximum(_blur(near, window), 1e-6) + middle

    down, across = np.gradient(seen, pixel_mm, axis=(1, 2))
    valid = (share + OUTLINE * field(OUTLINE_MM) > SEEN) & (share > SEEN / 2)
    valid &= np.hypot(down, across) < STEEPEST
    valid &= field(PATCH_MM) < LOST

    flying = (share < EDGE) & (rng.random(depth.shape, np.float32) < FLYING_SHARE)
    seen += flying * FLYING_MM * rng.standard_exponential(depth.shape, np.float32)
    seen += NOISE * field(WINDOW_MM) * seen**2
    return np.where(valid, quantise(seen), np.float32(np.inf)).astype(np.float32)


def shadowed(
    depth: Float[np.ndarray, "n h w"], focal: Float[np.ndarray, "n"]
) -> Bool[np.ndarray, "n h w"]:
    """Pixels whose surface the projector, `BASELINE_MM` to the camera's right, does not reach.

    The projector sees column u at u - focal * baseline / z. Along a row that must increase; a pixel is
    dark if any pixel to its right lies further left for the projector.
    """
    columns = np.arange(depth.shape[2], dtype=np.float32)
    projected = columns - (focal[:, None, None] * BASELINE_MM / depth).astype(np.float32)
    nearest = np.minimum.accumulate(projected[:, :, ::-1], axis=2)[:, :, ::-1]
    return projected > nearest


def quantise(depth: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Depth in mm at the nearest eighth of a pixel of disparity."""
    return STEPS / np.round(STEPS / depth)


def _field(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """Smooth Gaussian noise of unit variance, correlated over `deviation` pixels."""
    kernel = _kernel(deviation)
    # A separable kernel divides the standard deviation by 1 / sum(k^2).
    return _blur(rng.standard_normal(shape, np.float32), kernel) / np.sum(kernel**2)


def _kernel(deviation: float) -> np.ndarray:
    """Gaussian of the given standard deviation in pixels, integrated over each pixel; sums to 1."""
    reach = int(np.ceil(2.5 * deviation))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / deviation) ** 2).astype(np.float32)
    return kernel / kernel.sum()


def _blur(images: Float[np.ndarray, "n h w"], kernel: Float[np.ndarray, "k"]) -> np.ndarray:
    """Separable convolution of every image, edges repeated."""
    reach = len(kernel) // 2
    for axis in (1, 2):
        pad = [(0, 0)] * 3
        pad[axis] = (reach, reach)
        padded = np.pad(images, pad, mode="edge")
        size = images.shape[axis]
        images = sum(
            weight * padded.take(range(i, i + size), axis) for i, weight in enumerate(kernel)
        )
    return images
