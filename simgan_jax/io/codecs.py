"""Image formats: what a file holds, its pixels as integers, and back to a file as it was.

Pillow does 8-bit images and 16-bit grey ones. It would cut 16-bit colour to 8 bits: such PNGs are read
in two passes (high bytes, low bytes) and written here, such TIFFs go through tifffile (an extra), and
so do TIFFs of floats. Orientation tags are neither applied nor lost, so that pixel labels still fit.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from simgan_jax.errors import UserError

# Only these decoders of Pillow's ever see a file.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")

# What Pillow suspects of being a decompression bomb (over 89 million pixels) is refused.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

TIFF_BITS = 258
# Compressions that lose nothing are kept, others become Deflate.
TIFF_LOSSLESS = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"}
JPEG_QUALITY = 95


class Kind(NamedTuple):
    """What a mode of Pillow's means here."""

    dtype: str
    channels: int
    alpha: bool = False


KINDS = {
    "L": Kind("uint8", 1),
    "LA": Kind("uint8", 1, True),
    "P": Kind("uint8", 3),
    "RGB": Kind("uint8", 3),
    "RGBA": Kind("uint8", 3, True),
    "I;16": Kind("uint16", 1),
    "I;16B": Kind("uint16", 1),
    "F": Kind("float32", 1),
}


@dataclass(frozen=True)
class Header:
    """What a file holds, known without decoding its pixels.

    Attributes:
        format: of `FORMATS`, or "NPY".
        mode: L, LA, P, RGB, RGBA or F, with ";16" for 16 bits a channel.
        dtype: of the file's pixels: uint8, uint16, or a float (values in [0, 1]).
        shape: (images, height, width, channels); one image but for npy; channels without alpha.
        alpha: whether a channel of opacity follows the others.
        pillow: whether Pillow can keep all of it.
    """

    format: str
    mode: str
    dtype: str
    shape: tuple[int, int, int, int]
    alpha: bool = False
    pillow: bool = True


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Attributes:
        header: of the file.
        pixels: uint8 or uint16 (also for floats), full range.
        alpha: opacity of the same type, or None.
        extras: of the file, given back when it is written: colour profile, EXIF, resolution, ...
    """

    header: Header
    pixels: Shaped[np.ndarray, "n h w c"]
    alpha: Shaped[np.ndarray, "n h w 1"] | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)


def encode(picture: Picture, jpeg_quality: int = JPEG_QUALITY) -> bytes:
    """The bytes of a picture's file, in the format, mode and depth of its header.

    JPEG is written without chroma subsampling. An image with a palette gets the 256 best colours again;
    a grey one loses nothing by that.

    Args:
        picture: from `read` or `png`, perhaps with other pixels.
        jpeg_quality: of Pillow, 1..95.
    """
    header, extras = picture.header, dict(picture.extras)
    parts = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    array = np.concatenate(parts, axis=-1)
    if np.issubdtype(header.dtype, np.floating):
        array = (array / np.float64(65535)).astype(header.dtype)
    file = io.BytesIO()
    if header.format == "NPY":
        np.save(file, array.reshape(extras["shape"]))
        return file.getvalue()
    array = array[0]
    if not header.pillow:
        return _encode_deep(array, header, extras)
    if header.format == "JPEG":
        extras |= {"quality": jpeg_quality, "subsampling": 0}
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    if header.mode == "P":
        image = image.quantize(dither=Image.Dither.NONE) if image.mode == "RGB" else _ramp(image)
    image.save(file, header.format, **extras)
    return file.getvalue()


@contextmanager
def opened(path: Path) -> Iterator[tuple[Header, Callable[[], Picture]]]:
    """Yields a file's header and the function that decodes it.

    Raises:
        UserError: within the block too: not readable, or of a kind that is not supported.
    """
    try:
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            header = _npy_header(array)
            yield header, partial(_decode_npy, array, header)
            return
        with path.open("rb") as file:
            if _is_deep_tiff(file):
                with _tifffile().TiffFile(file) as tiff:
                    header = _tiff_header(tiff)
                    yield header, partial(_decode_tiff, tiff, header)
                return
            image = Image.open(file, formats=FORMATS)
            header = _header(image)
            yield header, partial(_decode, image, header, path)
    except Unsupported as error:
        raise UserError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UserError:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        reason = " ".join(str(error).replace(str(path), "it").split())[:150]
        raise UserError(
            f"{path}: not readable as an image ({reason}); replace or remove it"
        ) from error


class Unsupported(ValueError):
    """A file is whole, but of a kind that is not supported."""


def _header(image: Image.Image) -> Header:
    raw = image.tile[0].args if image.tile else ""
    raw = raw if isinstance(raw, str) else raw[0]
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise Unsupported(f"{image.n_frames} images in one file; save them one by one")
    if raw.startswith("LA;16"):
        raise Unsupported("16-bit grey with opacity; save it without opacity or as RGBA")
    if image.mode == "1" or raw in ("L;2", "L;4"):
        raise Unsupported("fewer than 8 bits a pixel; convert it to 8-bit grey")
    if image.mode not in KINDS:
        raise Unsupported(f"mode {image.mode}; convert it to grey or RGB")
    if "transparency" in image.info:
        raise Unsupported("one of its colours is transparent; convert it to RGBA")
    kind = KINDS[image.mode]
    deep = raw.endswith(";16B") and kind.channels == 3
    wide = deep or kind.dtype == "uint16"
    return Header(
        format="JPEG" if image.format == "MPO" else image.format,
        mode=image.mode.replace("I;16B", "L;16").replace("I;16", "L;16") + (";16" if deep else ""),
        dtype="uint16" if wide else kind.dtype,
        shape=(1, image.height, image.width, 1 if _is_grey_ramp(image) else kind.channels),
        alpha=kind.alpha,
        pillow=not deep,
    )


def _decode(image: Image.Image, header: Header, path: Path) -> Picture:
    names = ("icc_profile", "exif", "dpi")
    extras = {name: image.info[name] for name in names if name in image.info}
    if header.format == "TIFF":
        compression = image.info.get("compression", "raw")
        extras["compression"] = (
            compression if compression in TIFF_LOSSLESS else "tiff_adobe_deflate"
        )
    if header.pillow:
        array = np.asarray(image.convert("RGB") if header.mode == "P" else image)
    else:
        # Pillow's unpackers take one byte of each two; seen as little-endian, that is the low one.
        with Image.open(path, formats=["PNG"]) as again:
            again.tile = [tile._replace(args=f"{image.mode};16L") for tile in again.tile]
            array = np.asarray(image).astype(np.uint16) << 8 | np.asarray(again)
    array = array.reshape(1, *array.shape[:2], -1)
    return _picture(header, array, extras)


def _picture(header: Header, array: Shaped[np.ndarray, "n h w c"], extras: dict) -> Picture:
    """Cuts off opacity and turns floats into integers."""
    if np.issubdtype(array.dtype, np.floating):
        if not (array.min() >= 0 and array.max() <= 1):  # also for NaN
            raise Unsupported(
                f"floats from {array.min():.4g} to {array.max():.4g}; scale them to [0, 1]"
            )
        array = np.round(array.astype(np.float64) * 65535)
    array = array.astype(np.uint8 if header.dtype == "uint8" else np.uint16)
    channels = header.shape[3]
    alpha = array[..., -1:] if header.alpha else None
    return Picture(header, array[..., :channels], alpha, extras)


def _is_grey_ramp(image: Image.Image) -> bool:
    if image.mode != "P":
        return False
    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _ramp(image: Image.Image) -> Image.Image:
    """A grey image with the palette of all greys."""
    image = image.copy()
    image.putpalette(np.arange(256, dtype=np.uint8).repeat(3).tobytes())
    return image


def _npy_header(array: np.ndarray) -> Header:
    if not isinstance(array, np.ndarray):
        raise Unsupported("an archive, not one array; save it with numpy.save")
    if array.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise Unsupported(f"{array.dtype}; save it as uint8, uint16, or floats in [0, 1]")
    shape = array.shape
    if len(shape) == 2 or (len(shape) == 3 and shape[2] > 4):
        shape = (*shape, 1)
    shape = (1, *shape) if len(shape) == 3 else shape
    if len(shape) != 4 or shape[3] > 4 or 0 in shape:
        raise Unsupported(
            f"shape {array.shape}; must be [H, W], [H, W, C], [N, H, W] or [N, H, W, C]"
        )
    return _deep_header("NPY", shape, array.dtype)


def _deep_header(kind: str, shape: tuple[int, ...], dtype: np.dtype) -> Header:
    """Header of an array [N, H, W, C] with 1 or 3 channels, perhaps with opacity."""
    alpha = shape[3] in (2, 4)
    channels = shape[3] - alpha
    mode = {1: "L", 3: "RGB"}[channels] + ("A" if alpha else "")
    depth = {"uint8": "", "uint16": ";16"}.get(str(dtype), ";F")
    return Header(kind, mode + depth, str(dtype), (*shape[:3], channels), alpha, pillow=False)


def _decode_npy(array: np.ndarray, header: Header) -> Picture:
    shaped = np.asarray(array).reshape(*header.shape[:3], -1)
    return _picture(header, shaped, {"shape": array.shape})


def _is_deep_tiff(file: BinaryIO) -> bool:
    """Whether a file is a TIFF that Pillow cannot read, or would cut to 8 bits."""
    is_tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    file.seek(0)
    if not is_tiff:
        return False
    try:
        image = Image.open(file, formats=["TIFF"])
    except Image.UnidentifiedImageError:
        return True
    finally:
        file.seek(0)
    bits = image.tag_v2.get(TIFF_BITS, (1,))
    return max(bits) > 8 and (len(bits) > 1 or image.mode not in KINDS)


def _tifffile() -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise Unsupported(
            "TIFF of 16-bit colour or floats; install tifffile: pip install 'simgan_jax[tiff]'"
        ) from error
    return tifffile


def _tiff_header(file: Any) -> Header:
    if len(file.pages) != 1:
        raise Unsupported(f"{len(file.pages)} images in one file; save them one by one")
    page = file.pages[0]
    if page.axes not in ("YX", "YXS") or page.photometric.name not in ("RGB", "MINISBLACK"):
        raise Unsupported(
            f"TIFF of {page.photometric.name} along {page.axes}; save it as grey or RGB"
        )
    if page.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise Unsupported(f"TIFF of {page.dtype}; save it as 8 or 16 bit, or floats in [0, 1]")
    shape = page.shape if page.axes == "YXS" else (*page.shape, 1)
    if shape[2] > 4:
        raise Unsupported(f"{shape[2]} channels; save it as grey or RGB")
    return _deep_header("TIFF", (1, *shape), page.dtype)


def _decode_tiff(file: Any, header: Header) -> Picture:
    page = file.pages[0]
    array = page.asarray().reshape(*header.shape[:3], -1)
    return _picture(header, array, {"compression": page.compression.name != "NONE"})


def _encode_deep(array: Shaped[np.ndarray, "h w c"], header: Header, extras: dict) -> bytes:
    """PNG of 16-bit colour, or TIFF of what Pillow cannot write."""
    if header.format == "PNG":
        return _encode_png(array, extras)
    file = io.BytesIO()
    _tifffile().imwrite(
        file,
        array[..., 0] if array.shape[-1] == 1 else array,
        photometric="rgb" if header.shape[3] == 3 else "minisblack",
        planarconfig="contig" if array.shape[-1] > 1 else None,
        extrasamples=["unassalpha"] if header.alpha else None,
        compression="zlib" if extras["compression"] else None,
        metadata=None,
    )
    return file.getvalue()


def _encode_png(array: Shaped[np.ndarray, "h w c"], extras: dict) -> bytes:
    """16-bit RGB or RGBA as PNG (ISO/IEC 15948), each row as differences to the pixel on its left."""
    height, width, channels = array.shape
    step = 2 * channels
    rows = np.ascontiguousarray(array.astype(">u2")).view(np.uint8).reshape(height, -1)
    left = np.pad(rows[:, :-step], ((0, 0), (step, 0)))
    filtered = np.concatenate([np.full((height, 1), 1, np.uint8), rows - left], axis=1)
    colour_type = {3: 2, 4: 6}[channels]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
    if "icc_profile" in extras:
        chunks += [(b"iCCP", b"ICC\0\0" + zlib.compress(extras["icc_profile"]))]
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body
