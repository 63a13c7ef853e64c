"""Images with known pixels, and what our code makes of them."""

from dataclasses import replace

import numpy as np

from simgan_jax.io import image_files

ORIENTATION = 274
EXIF = 34665
EXPOSURE = 33434
TURNED = 6
ICC = bytes(range(256)) * 3


def samples(channels, dtype, size=(6, 11), images=1):
    """Random values; floats are what 16 bits can hold."""
    shape = (images, *size, channels)
    values = np.random.default_rng(channels).integers(0, 65535, shape, np.uint16)
    if np.issubdtype(dtype, np.floating):
        return (values / np.float64(65535)).astype(dtype)
    return values.astype(dtype)


def as_shown(array, orientation):
    """What a viewer makes of stored images [N, H, W, C]."""
    quarters = {3: 2, 4: 2, 5: -1, 6: -1, 7: 1, 8: 1}.get(orientation, 0)
    turned = np.rot90(array, quarters, axes=(1, 2))
    return turned[:, :, ::-1] if orientation in (2, 4, 5, 7) else turned


def squeezed(array):
    return array[..., 0] if array.shape[-1] == 1 else array


def written_with_other_pixels(path):
    """Reads a file, writes it again beside it with all pixels turned into their negative."""
    picture = image_files.read(path)
    negative = np.iinfo(picture.pixels.dtype).max - picture.pixels
    copy = path.with_stem("copy")
    image_files.write(copy, replace(picture, pixels=negative))
    return picture, copy


def expected(array, channels):
    """The negative of colours, the opacity as it was."""
    top = 1 if np.issubdtype(array.dtype, np.floating) else np.iinfo(array.dtype).max
    return np.concatenate([top - array[..., :channels], array[..., channels:]], axis=-1)
