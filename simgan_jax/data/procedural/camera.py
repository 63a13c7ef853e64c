"""The embedded camera: what a laptop's webcam and MPIIGaze's preprocessing do to a picture."""

import io

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image


def tone_map(light: Float[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w c"]:
    """Linear light to display values by the square root, close to sRGB's curve."""
    return np.round(np.sqrt(np.clip(light, 0, 1)) * 255).astype(np.uint8)


def equalize(image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    """Histogram equalisation; of colours, by the curve of their green channel."""
    counts = np.bincount(image[..., image.shape[-1] // 2].ravel(), minlength=256)
    below = np.cumsum(counts)
    first = below[np.flatnonzero(counts)[0]]
    curve = (below - first) * (255 / max(below[-1] - first, 1))
    return np.round(np.clip(curve, 0, 255)).astype(np.uint8)[image]


def jpeg(image: UInt8[np.ndarray, "h w c"], quality: int) -> UInt8[np.ndarray, "h w c"]:
    """One trip through a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
        file, "JPEG", quality=quality
    )
    return np.asarray(Image.open(file)).reshape(image.shape)


def _blur(images: Float[np.ndarray, "n h w c"], sigma: Float[np.ndarray, "n"]):
    """Gaussian blur, sigma px per image."""

    def kernel(size):
        apart = np.arange(size)[:, None] - np.arange(size)
        weight = np.exp(-0.5 * (apart / sigma[:, None, None]) ** 2)
        return (weight / weight.sum(axis=-1, keepdims=True)).astype(np.float32)

    _, height, width, _ = images.shape
    planes = np.moveaxis(images, -1, 0)
    planes = kernel(height) @ planes @ kernel(width).transpose(0, 2, 1)
    return np.moveaxis(planes, 0, -1)


def photograph(
    light: Float[np.ndarray, "n h w c"], person: Int[np.ndarray, "n"], rng: np.random.Generator
) -> UInt8[np.ndarray, "n h w c"]:
    """Photographs linear light: defocus, noise, JPEG, histogram equalisation."""
    n = len(light)
    sigma = rng.uniform(0.3, 1.1, n).astype(np.float32)
    seen = _blur(light, sigma)
    gain = rng.uniform(0.005, 0.03, n).astype(np.float32)[:, None, None, None]
    noise = _blur(rng.standard_normal(light.shape, dtype=np.float32), np.full(n, 0.5, np.float32))
    seen = seen + gain * noise * np.sqrt(np.maximum(seen, 0.05))
    quality = rng.integers(40, 90, n)
    return np.stack(
        [equalize(jpeg(x, int(q))) for x, q in zip(tone_map(seen), quality, strict=True)]
    )
