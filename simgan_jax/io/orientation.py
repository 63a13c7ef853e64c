"""The orientation tag of EXIF and TIFF: from how an image is stored to how it is shown, and back.

A camera that is held on its side stores the image as its sensor sees it, and says how to turn it.
Viewers, browsers and tools for annotation do so.
"""

import io

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.io import tiff_tags

TAG = 274
UPRIGHT = 1
# From stored to shown: are rows and columns exchanged; then, is x reversed, is y (TIFF 6.0, page 36).
TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def known(values: tuple[int, ...]) -> int:
    """An orientation from the values of a tag; upright where they make no sense."""
    return values[0] if len(values) == 1 and values[0] in TURNS else UPRIGHT


def of_exif(exif: bytes) -> int:
    """The orientation that EXIF data name; upright where they are damaged, as viewers do.

    Args:
        exif: with or without the six bytes that go before them in JPEG files.
    """
    try:
        form, directories = tiff_tags.read(io.BytesIO(exif.removeprefix(b"Exif\0\0")))
        found = [entry for entry in directories[0] if entry.tag == TAG]
        return known(form.values(found[0])) if found else UPRIGHT
    except (ValueError, IndexError):
        return UPRIGHT


def size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Height and width as shown of an image as stored, or the other way round."""
    return (width, height) if TURNS[orientation][0] else (height, width)


def shown(images: Shaped[np.ndarray, "n h w c"], orientation: int) -> Shaped[np.ndarray, "n H W c"]:
    """Stored images as they are shown."""
    exchanged, x, y = TURNS[orientation]
    images = images.swapaxes(1, 2) if exchanged else images
    return images[:, :: -1 if y else 1, :: -1 if x else 1]


def stored(
    images: Shaped[np.ndarray, "n H W c"], orientation: int
) -> Shaped[np.ndarray, "n h w c"]:
    """Shown images as they are stored."""
    exchanged, x, y = TURNS[orientation]
    images = images[:, :: -1 if y else 1, :: -1 if x else 1]
    return images.swapaxes(1, 2) if exchanged else images


def shown_directions(
    directions: Float[np.ndarray, "*n 2"], orientation: int
) -> Float[np.ndarray, "*n 2"]:
    """Directions (x to the right, y down) in a stored image, in the shown one."""
    exchanged, x, y = TURNS[orientation]
    directions = directions[..., ::-1] if exchanged else directions
    return directions * np.array([-1 if x else 1, -1 if y else 1])


def shown_points(
    points: Float[np.ndarray, "*n 2"], orientation: int, shown_size: tuple[int, int]
) -> Float[np.ndarray, "*n 2"]:
    """Points (x, y) in pixels of a stored image, in pixels of the shown one.

    Args:
        points: the centre of the first pixel is (0, 0).
        orientation: of the file.
        shown_size: height and width of the image as shown.
    """
    _, x, y = TURNS[orientation]
    height, width = shown_size
    ends = np.array([x * (width - 1), y * (height - 1)])
    return shown_directions(points, orientation) + ends
