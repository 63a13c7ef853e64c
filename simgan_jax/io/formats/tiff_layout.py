"""The tags of a TIFF file that say how pixels are stored."""

from typing import NamedTuple

from simgan_jax.io import orientation
from simgan_jax.io.tiff_tags import Directory, Form

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
STRIPS, ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PALETTE = 273, 278, 279, 284, 320
ORIENTATION, PREDICTOR, EXTRA_SAMPLES, SAMPLE_FORMAT = orientation.TAG, 317, 338, 339
ORDER_OF_BITS = 266
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES = range(322, 326)
# Tags of how pixels are stored and of what values they have; all others are kept.
STORAGE = {
    *(WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, STRIPS, ROWS_PER_STRIP, STRIP_BYTES),
    *(PLANAR, PALETTE, EXTRA_SAMPLES, SAMPLE_FORMAT),
    *(264, 265, ORDER_OF_BITS),  # cells of a halftone
    *(280, 281, 340, 341),  # least and largest values
    *(288, 289),  # free space
    *(292, 293),  # fax
    *(317, *range(322, 328)),  # predictor, tiles
    330,  # further directories: thumbnails, pyramids
    *(347, *range(512, 522)),  # JPEG
    *range(529, 533),  # YCbCr
}

UNCOMPRESSED, DEFLATE = 1, 8
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, LOOKED_UP = range(4)
ASSOCIATED, UNASSOCIATED = 1, 2
UNSIGNED, FLOAT = 1, 3
TOGETHER, APART = 1, 2  # the values of a pixel


class Layout(NamedTuple):
    """How an image is stored; the defaults are TIFF's."""

    width: tuple[int, ...] = (0,)
    height: tuple[int, ...] = (0,)
    bits: tuple[int, ...] = (1,)
    compression: tuple[int, ...] = (UNCOMPRESSED,)
    photometric: tuple[int, ...] = (WHITE_IS_ZERO,)
    orientation: tuple[int, ...] = (orientation.UPRIGHT,)
    planar: tuple[int, ...] = (TOGETHER,)
    predictor: tuple[int, ...] = (1,)
    tile: tuple[int, ...] = ()
    tile_height: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()
    kinds: tuple[int, ...] = (UNSIGNED,)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as stored, in pixels."""
        return self.height[0], self.width[0]

    @property
    def orient(self) -> int:
        """A key of `orientation.TURNS`."""
        return orientation.known(self.orientation)

    @property
    def inverted(self) -> bool:
        """Whether 0 is white."""
        return self.photometric == (WHITE_IS_ZERO,)


LAYOUT_TAGS = (
    *(WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, PLANAR, PREDICTOR),
    *(TILE_WIDTH, TILE_HEIGHT, EXTRA_SAMPLES, SAMPLE_FORMAT),
)


def layout_of(form: Form, entries: Directory) -> Layout:
    """How the image of a directory is stored."""
    found = {entry.tag: form.values(entry) for entry in entries if entry.tag in LAYOUT_TAGS}
    named = zip(Layout._fields, LAYOUT_TAGS, strict=True)
    return Layout(**{name: found[tag] for name, tag in named if tag in found})
