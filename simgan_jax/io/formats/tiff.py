"""TIFF of one image or of several alike, with all tags but those of how pixels are stored.

Pillow reads images of 8 bits, `tiff_samples` those of more. Files are written here, uncompressed or
with Deflate.
"""

import zlib
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Shaped
from PIL.TiffImagePlugin import TiffImageFile

from simgan_jax.io.formats import pillow, tiff_samples
from simgan_jax.io.formats.tiff_layout import (
    ASSOCIATED,
    BITS,
    BLACK_IS_ZERO,
    COMPRESSION,
    DEFLATE,
    EXTRA_SAMPLES,
    FLOAT,
    HEIGHT,
    LOOKED_UP,
    ORIENTATION,
    PALETTE,
    PHOTOMETRIC,
    PLANAR,
    RGB,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    STORAGE,
    STRIP_BYTES,
    STRIPS,
    UNASSOCIATED,
    UNCOMPRESSED,
    UNSIGNED,
    WHITE_IS_ZERO,
    WIDTH,
    Layout,
    layout_of,
)
from simgan_jax.io.orientation import UPRIGHT
from simgan_jax.io.pictures import (
    Header,
    Picture,
    Unsupported,
    header_of,
    picture_of,
    samples_of,
)
from simgan_jax.io.tiff_tags import LONG, LONG8, SHORT, Directory, Form, Writer, read

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

STRIP_SIZE = 2**16


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
    layouts = {layout_of(form, entries) for entries in directories}
    if len(layouts) > 1:
        raise Unsupported(
            f"{len(directories)} images that differ in one file; save them one by one"
        )
    (layout,) = layouts
    pillow.check_size(*layout.width, *layout.height, len(directories))
    if layout.tile:
        pillow.check_size(*layout.tile, *layout.tile_height)
    if max(layout.bits) < 8 and layout.photometric != (LOOKED_UP,):
        raise Unsupported("fewer than 8 bits a pixel; convert it to 8-bit grey")
    by_pillow = _pillow_keeps_all(form, layout)
    if by_pillow:
        file.seek(0)
        header, decode = _open_with_pillow(file, layout, len(directories))
    else:
        header = tiff_samples.header(layout, len(directories))
        decode = partial(tiff_samples.decode, file, form, directories, layout, header)
    # Pillow divides colours by an opacity that they have been multiplied with.
    extra = UNASSOCIATED if by_pillow else (*layout.extra, UNASSOCIATED)[0]
    tags = [tuple(entry for entry in x if entry.tag not in STORAGE) for x in directories]
    about = About(form, layout.compression != (UNCOMPRESSED,), extra, tags)
    return header, lambda: picture_of(header, decode(), about)


def encode(picture: Picture) -> bytes:
    """See `codecs.encode`."""
    writer = Writer(picture.about.form)
    for samples, tags in zip(samples_of(picture), picture.about.tags, strict=True):
        writer.image((*_place(samples, picture.header, picture.about, writer), *tags))
    return writer.finished()


def _pillow_keeps_all(form: Form, layout: Layout) -> bool:
    if form == Form(">", big=True):
        return False
    known = {(WHITE_IS_ZERO,): ((),), (BLACK_IS_ZERO,): ((), (UNASSOCIATED,))}
    extra = known.get(layout.photometric, ((), (ASSOCIATED,), (UNASSOCIATED,)))
    return max(layout.bits) <= 8 and layout.extra in extra and set(layout.kinds) == {UNSIGNED}


def _open_with_pillow(
    file: BinaryIO, layout: Layout, images: int
) -> tuple[Header, Callable[[], Shaped[np.ndarray, "n h w samples"]]]:
    image = TiffImageFile(file)
    _keep_as_stored(image)  # also here: a palette is known when pixels are decoded
    first = pillow.header(image, "TIFF")
    shape = (images, *layout.size, first.shape[3] + first.alpha)

    def decode():
        parts = []
        for number in range(images):
            image.seek(number)
            _keep_as_stored(image)
            image.load()
            parts.append(pillow.samples(image.copy()))
        return np.concatenate(parts)

    return header_of("TIFF", shape, first.dtype, first.mode == "P", layout.orient), decode


def _keep_as_stored(image: TiffImageFile) -> None:
    """Pillow turns an image by its orientation when it decodes it; here `picture_of` does."""
    image.getexif()[ORIENTATION] = UPRIGHT


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
