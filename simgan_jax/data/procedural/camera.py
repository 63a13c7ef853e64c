"""The embedded camera: what a laptop's webcam and MPIIGaze's preprocessing do to a picture."""

import io

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from simgan_jax.data.histogram_matching import equalized
from simgan_jax.data.procedural.eye_geometry import View

# Mean value that automatic exposure aims at, in linear light.
EXPOSURE = 0.2

# Every person owns one of these: blur of the lens in px (at 55 px width), noise of the sensor
# relative to white, quality of the JPEG file, blur of the resampling to the normalised picture.
WEBCAMS = (
    {"lens": 0.35, "noise": 0.006, "quality": 92, "resampling": 0.35},  # good and recent
    {"lens": 0.85, "noise": 0.010, "quality": 85, "resampling": 0.5},  # fixed focus, too close
    {"lens": 0.50, "noise": 0.030, "quality": 75, "resampling": 0.6},  # small and old
)


def tone_map(light: Float[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w c"]:
    """Linear light to display values: automatic exposure, then the square root, close to sRGB."""
    exposed = light * (EXPOSURE / light.mean(axis=(1, 2, 3), keepdims=True))
    return np.round(np.sqrt(np.clip(exposed, 0, 1)) * 255).astype(np.uint8)


def jpeg(image: UInt8[np.ndarray, "h w c"], quality: int) -> UInt8[np.ndarray, "h w c"]:
    """One trip through a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
        file, "JPEG", quality=quality
    )
    return np.asarray(Image.open(file)).reshape(image.shape)


def blur(images: Float[np.ndarray, "n h w c"], sigma: Float[np.ndarray, "n"]):
    """Gaussian blur, sigma px per image."""

    def kernel(size):
        at = np.arange(size, dtype=np.float32)
        apart = at[:, None] - at
        weight = np.exp(-0.5 * (apart / sigma[:, None, None]) ** 2)
        return weight / weight.sum(axis=-1, keepdims=True)

    _, height, width, _ = images.shape
    planes = np.moveaxis(images, -1, 0)
    planes = kernel(height) @ planes @ kernel(width).transpose(0, 2, 1)
    return np.moveaxis(planes, 0, -1)


def add_glasses(
    light: Float[np.ndarray, "n h w c"], wears: Float[np.ndarray, "n"], rng: np.random.Generator
) -> Float[np.ndarray, "n h w c"]:
    """Rims and reflections of glasses in front of the pictures of those who wear them (0 or 1)."""
    n, height, width, _ = light.shape
    mm = View.crop(height, width).pixel
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) * mm
    y = ((np.arange(height, dtype=np.float32) - (height - 1) / 2) * mm)[:, None]
    draw = [v.astype(np.float32)[:, None, None] for v in rng.uniform(-1, 1, (10, n))]
    white = light.mean(axis=(1, 2, 3), keepdims=True)[..., 0]

    # The upper rim is a flat arc over the eye, the lens a rounded box below it.
    arc = y + 9.5 + 3.5 * draw[0] - (0.012 + 0.006 * draw[1]) * (x - 6 * draw[2]) ** 2
    rim = np.clip(0.5 + (0.55 + 0.3 * draw[3] - np.abs(arc)) / mm, 0, 1)
    tone = np.where(draw[4] > 0, 3.5, 0.1) * white
    # A window or a screen mirrored in the lens: a soft-edged slanted box.
    u = x - 12 * draw[5] + 0.3 * draw[6] * y
    v = y - 7 * draw[7] + 0.3 * draw[6] * x
    box = (3.0 + 1.5 * draw[8], 2.2 + draw[9])
    mirror = 1 / (
        1 + np.exp(np.clip(2.5 * (np.maximum(np.abs(u) - box[0], np.abs(v) - box[1])), -8, 8))
    )
    wears = wears.astype(np.float32)[:, None, None]
    mirror = mirror * wears * np.maximum(draw[1], 0) * white * 1.5 * (arc > 0)
    light = light + mirror[..., None]
    rim = (wears * rim)[..., None]
    return light + (tone[..., None] - light) * rim


def photograph(
    light: Float[np.ndarray, "n h w c"], person: Int[np.ndarray, "n"], rng: np.random.Generator
) -> UInt8[np.ndarray, "n h w c"]:
    """Photographs linear light.

    Glasses, lens, sensor, JPEG, resampling and, if grey, histogram equalisation. Who has which
    webcam, and who wears glasses (every fourth), follows from the person's number.
    """
    cameras = {k: np.array([w[k] for w in WEBCAMS])[person % len(WEBCAMS)] for k in WEBCAMS[0]}
    scale = light.shape[2] / 55
    light = add_glasses(light, person % 4 == 3, rng)
    focus = cameras["lens"] * rng.uniform(0.7, 1.4, len(light))
    light = blur(light, (focus * scale).astype(np.float32))
    light = light * (EXPOSURE / light.mean(axis=(1, 2, 3), keepdims=True))
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    shot = np.sqrt(np.maximum(light, 0) + np.float32(0.03))
    light = light + cameras["noise"].astype(np.float32)[:, None, None, None] * shot * noise
    decoded = [
        jpeg(x, int(q))
        for x, q in zip(tone_map(np.maximum(light, 0)), cameras["quality"], strict=True)
    ]
    resampled = blur(
        np.stack(decoded).astype(np.float32), (cameras["resampling"] * scale).astype(np.float32)
    )
    images = np.round(resampled).astype(np.uint8)
    return np.stack([equalized(x) for x in images]) if images.shape[-1] == 1 else images
