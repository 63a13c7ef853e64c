"""TIFF of one image or of several alike, with all tags but those of how pixels are stored.

Pillow reads 8-bit images and 16-bit grey ones; it would cut 16-bit colour to 8 bits. Such images, and
floats, are read by tifffile, an extra. Files are written here, uncompressed or with Deflate.
"""

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Shaped
from PIL.TiffImagePlugin import TiffImageFile

from simgan_jax.io.formats import pillow
from simgan_jax.io.formats.tiff_tags import (
    LONG,
    LONG8,
    SHORT,
    Directory,
    Form,
    Writer,
    read,
)
from simgan_jax.io.pictures import (
    Header,
    Picture,
    Unsupported,
    header_of,
    picture_of,
    samples_of,
)

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
STRIPS, ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PALETTE = 273, 278, 279, 284, 320
ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT = 274, 338, 339
# Tags of how pixels are stored and of what values they have; all others are kept.
STORAGE = {
    *(WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, STRIPS, ROWS_PER_STRIP, STRIP_BYTES),
    *(PLANAR, PALETTE, EXTRA_SAMPLES, SAMPLE_FORMAT),
    *(264, 265, 266),  # cells of a halftone, order of bits
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
STRIP_SIZE = 2**16


class Layout(NamedTuple):
    """How an image is stored; the defaults are TIFF's."""

    width: tuple[int, ...] = (0,)
    height: tuple[int, ...] = (0,)
    bits: tuple[int, ...] = (1,)
    compression: tuple[int, ...] = (UNCOMPRESSED,)
    photometric: tuple[int, ...] = (WHITE_IS_ZERO,)
    extra: tuple[int, ...] = ()
    kinds: tuple[int, ...] = (UNSIGNED,)


LAYOUT_TAGS = (WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES, SAMPLE_FORMAT)


class About(NamedTuple):
    """What a file holds beside its pixels.

    Attributes:
        form: of its numbers.
        compressed: whether its pixels were.
        extra: what its opacity means, a value of the tag.
        tags: of each image, those of `STORAGE` left out.
    """

    form: Form
    compressed: bool
    extra: int
    tags: list[Directory]


def opened(file: BinaryIO) -> tuple[Header, Callable[[], Picture]]:
    """See `codecs.opened`."""
    form, directories = read(file)
    layouts = {_layout(form, entries) for entries in directories}
    if len(layouts) > 1:
        raise Unsupported(
            f"{len(directories)} images that differ in one file; save them one by one"
        )
    (layout,) = layouts
    pillow.check_size(*layout.width, *layout.height, len(directories))
    if max(layout.bits) < 8 and layout.photometric != (LOOKED_UP,):
        raise Unsupported("fewer than 8 bits a pixel; convert it to 8-bit grey")
    if layout.photometric == (WHITE_IS_ZERO,) and layout.bits != (8,):
        raise Unsupported("0 is its white; save it with black as 0")
    file.seek(0)
    opener = _open_with_pillow if _pillow_keeps_all(layout) else _open_with_tifffile
    header, decode = opener(file, layout, len(directories))
    # Pillow divides colours by an opacity that they have been multiplied with.
    extra = UNASSOCIATED if _pillow_keeps_all(layout) else (*layout.extra, UNASSOCIATED)[0]
    tags = [tuple(entry for entry in x if entry.tag not in STORAGE) for x in directories]
    about = About(form, layout.compression != (UNCOMPRESSED,), extra, tags)
    return header, lambda: picture_of(header, decode(), about)


def encode(picture: Picture) -> bytes:
    """See `codecs.encode`."""
    writer = Writer(picture.about.form)
    for samples, tags in zip(samples_of(picture), picture.about.tags, strict=True):
        writer.image((*_place(samples, picture.header, picture.about, writer), *tags))
    return writer.finished()


def _layout(form: Form, entries: Directory) -> Layout:
    found = {entry.tag: form.values(entry) for entry in entries if entry.tag in LAYOUT_TAGS}
    named = zip(Layout._fields, LAYOUT_TAGS, strict=True)
    return Layout(**{name: found[tag] for name, tag in named if tag in found})


def _pillow_keeps_all(layout: Layout) -> bool:
    if max(layout.bits) <= 8:
        extra = layout.extra in ((), (ASSOCIATED,), (UNASSOCIATED,))
        grey = layout.photometric in ((WHITE_IS_ZERO,), (BLACK_IS_ZERO,))
        associated_grey = grey and layout.extra == (ASSOCIATED,)
        return extra and not associated_grey and set(layout.kinds) == {UNSIGNED}
    return (layout.bits, layout.kinds) in (((16,), (UNSIGNED,)), ((32,), (FLOAT,)))


def _open_with_pillow(
    file: BinaryIO, layout: Layout, images: int
) -> tuple[Header, Callable[[], Shaped[np.ndarray, "n h w samples"]]]:
    image = TiffImageFile(file)
    _keep_as_stored(image)
    header = pillow.header(image, "TIFF")
    shape = (images, *layout.height, *layout.width, header.shape[3])

    def decode():
        parts = []
        for number in range(images):
            image.seek(number)
            _keep_as_stored(image)
            image.load()
            parts.append(pillow.samples(image.copy()))
        return np.concatenate(parts)

    return Header("TIFF", header.mode, header.dtype, shape, header.alpha), decode


def _keep_as_stored(image: TiffImageFile) -> None:
    """Pillow turns an image by its orientation when it decodes it; labels in pixels would not fit."""
    image.getexif()[ORIENTATION] = 1


def _open_with_tifffile(
    file: BinaryIO, layout: Layout, images: int
) -> tuple[Header, Callable[[], Shaped[np.ndarray, "n h w samples"]]]:
    try:
        from tifffile import TiffFile
    except ImportError as error:
        raise Unsupported(
            "TIFF of 16-bit colour or floats; install tifffile: pip install 'simgan_jax[tiff]'"
        ) from error
    pages = TiffFile(file).pages
    page = pages[0]
    channels = {"YX": 1, "YXS": page.shape[-1], "SYX": page.shape[0]}.get(page.axes)
    if channels is None or page.photometric.name not in ("RGB", "MINISBLACK"):
        raise Unsupported(
            f"TIFF of {page.photometric.name} along {page.axes}; save it as grey or RGB"
        )
    if page.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise Unsupported(f"TIFF of {page.dtype}; save it as 8 or 16 bit, or floats in [0, 1]")
    if set(layout.bits) != {8 * page.dtype.itemsize}:
        raise Unsupported(f"{max(layout.bits)} bits a value; save it as 8 or 16 bit")
    if channels > 4:
        raise Unsupported(f"{channels} channels; save it as grey or RGB")
    shape = (images, *layout.height, *layout.width, channels)
    return header_of("TIFF", shape, page.dtype), partial(_decode_with_tifffile, pages, shape)


def _decode_with_tifffile(
    pages: Any, shape: tuple[int, ...]
) -> Shaped[np.ndarray, "n h w samples"]:
    arrays = [page.asarray() for page in pages]
    planes_first = pages[0].axes == "SYX"
    return np.stack([np.moveaxis(x, 0, -1) if planes_first else x for x in arrays]).reshape(shape)


def _place(
    samples: Shaped[np.ndarray, "h w samples"], header: Header, about: About, writer: Writer
) -> Directory:
    """Puts the pixels of an image into a file; returns the entries of how they are stored."""
    entry = about.form.entry
    palette = ()
    if header.mode == "P":
        image = pillow.image(samples, palette=True)
        samples = np.asarray(image)[..., None]
        colours = np.zeros((256, 3), np.uint16)
        known = np.array(image.getpalette("RGB"), np.uint16).reshape(-1, 3)
        colours[: len(known)] = known * 257
        palette = (entry(PALETTE, SHORT, *colours.T.ravel().tolist()),)
    height, width, channels = samples.shape
    samples = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(about.form.order)))
    rows = max(1, STRIP_SIZE // samples[0].nbytes)
    strips = [samples[row : row + rows].tobytes() for row in range(0, height, rows)]
    if about.compressed:
        strips = [zlib.compress(strip) for strip in strips]
    places = [writer.place(strip) for strip in strips]
    colour = {1: BLACK_IS_ZERO, 3: RGB}[header.shape[3]]
    return (
        entry(WIDTH, LONG, width),
        entry(HEIGHT, LONG, height),
        entry(BITS, SHORT, *[8 * samples.dtype.itemsize] * channels),
        entry(COMPRESSION, SHORT, DEFLATE if about.compressed else UNCOMPRESSED),
        entry(PHOTOMETRIC, SHORT, LOOKED_UP if palette else colour),
        entry(STRIPS, LONG8 if about.form.big else LONG, *places),
        entry(SAMPLES, SHORT, channels),
        entry(ROWS_PER_STRIP, LONG, rows),
        entry(STRIP_BYTES, LONG, *map(len, strips)),
        entry(PLANAR, SHORT, 1),
        *palette,
        *([entry(EXTRA_SAMPLES, SHORT, about.extra)] if header.alpha else []),
        entry(
            SAMPLE_FORMAT,
            SHORT,
            *[FLOAT if header.dtype.startswith("float") else UNSIGNED] * channels,
        ),
    )
