"""Between Pillow's images and ours."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from simgan_jax.io.orientation import UPRIGHT
from simgan_jax.io.pictures import Header, Unsupported, header_of


class Kind(NamedTuple):
    """What a mode of Pillow's means here."""

    dtype: str
    samples: int


KINDS = {
    "L": Kind("uint8", 1),
    "LA": Kind("uint8", 2),
    "P": Kind("uint8", 3),
    "RGB": Kind("uint8", 3),
    "RGBA": Kind("uint8", 4),
    "I;16": Kind("uint16", 1),
    "I;16B": Kind("uint16", 1),
    "F": Kind("float32", 1),
}


def check_size(width: int, height: int, images: int = 1) -> None:
    """Refuses what Pillow suspects of being a decompression bomb, without its warning.

    A warning filter would hold for the whole process. So the formats' classes are called directly and
    not by `Image.open`, which warns.

    Raises:
        ValueError: no pixels.
        Unsupported: more pixels than `PIL.Image.MAX_IMAGE_PIXELS`, if that is set.
    """
    if min(width, height) < 1:
        raise ValueError(f"{width} x {height} pixels")
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and width * height * images > most:
        many = f"{images:,} times " if images > 1 else ""
        raise Unsupported(
            f"{many}{width:,} x {height:,} pixels, a decompression bomb? At most {most:,} are read"
        )


def header(image: Image.Image, form: str, orient: int = UPRIGHT) -> Header:
    """The header of an image that Pillow can decode whole, and that is to be shown turned like this.

    Raises:
        Unsupported: a mode that is neither grey nor colour, or a transparent colour.
    """
    if image.mode == "1":
        raise Unsupported("fewer than 8 bits a pixel; convert it to 8-bit grey")
    if image.mode not in KINDS:
        raise Unsupported(f"mode {image.mode}; convert it to grey or RGB")
    if "transparency" in image.info:
        raise Unsupported("one of its colours is transparent; convert it to RGBA")
    kind = KINDS[image.mode]
    samples = 1 if _is_grey_ramp(image) else kind.samples
    shape = (1, image.height, image.width, samples)
    return header_of(form, shape, kind.dtype, palette=image.mode == "P", orient=orient)


def samples(image: Image.Image) -> Shaped[np.ndarray, "1 h w samples"]:
    """Decodes an image; colours of a palette are looked up."""
    array = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    array = array.reshape(1, *array.shape[:2], -1)
    return array[..., :1] if _is_grey_ramp(image) else array


def image(samples: Shaped[np.ndarray, "h w samples"], palette: bool) -> Image.Image:
    """The image of samples that Pillow has a mode for.

    Args:
        samples: of one image.
        palette: whether to look up its colours in a palette of the 256 best.
    """
    picture = Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)
    if not palette:
        return picture
    if picture.mode == "RGB":
        return picture.quantize(dither=Image.Dither.NONE)
    picture.putpalette(np.arange(256, dtype=np.uint8).repeat(3).tobytes())
    return picture


def _is_grey_ramp(image: Image.Image) -> bool:
    if image.mode != "P":
        return False
    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())
