"""Image files by format: what a file holds, its pixels as integers, and back to a file as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from simgan_jax.errors import UserError, regular
from simgan_jax.io.formats import bmp, jpeg, npy, png, tiff
from simgan_jax.io.pictures import Header, Picture, Unsupported

FORMATS = {"PNG": png, "JPEG": jpeg, "TIFF": tiff, "BMP": bmp, "NPY": npy}
JPEG_QUALITY = 95
# Decoding takes four times the memory. A gigabyte is not exceeded, nor two seconds by a small file.
MOST_BYTES, MODEST_BYTES = 2**28, 2**27
MOST_RATIO = 200  # of honest pictures; of packed zeros it is 1000


def encode(picture: Picture, jpeg_quality: int = JPEG_QUALITY) -> bytes:
    """The bytes of a picture's file, in the format, mode and depth of its header.

    JPEG is written without chroma subsampling. An image with a palette gets the 256 best colours again;
    a grey one loses nothing by that. Orientation, colour profile, resolution and texts stay.

    Args:
        picture: from `opened` or `image_files.png`, perhaps with other pixels.
        jpeg_quality: of Pillow, 1..95.
    """
    if picture.header.format == "JPEG":
        return jpeg.encode(picture, jpeg_quality)
    return FORMATS[picture.header.format].encode(picture)


def _check_size(header: Header, packed: int) -> None:
    """Refuses what would take too much memory, or much more than such a file can honestly hold.

    Args:
        header: of a file.
        packed: its size in bytes.

    Raises:
        Unsupported: a decompression bomb, or very large.
    """
    size = header.bytes
    most = min(MOST_BYTES, max(MODEST_BYTES, MOST_RATIO * packed))
    if header.format != "NPY" and size > most:  # which is mapped, and as large as it says
        height, width = header.shape[1:3]
        raise Unsupported(
            f"{width:,} x {height:,} pixels, {size:,} bytes in a file of {packed:,}, a decompression "
            f"bomb? At most {most:,} bytes are read"
        )


@contextmanager
def opened(path: Path) -> Iterator[tuple[Header, Callable[[], Picture]]]:
    """Yields a file's header and the function that decodes it.

    Raises:
        UserError: within the block too: not readable, or of a kind that is not supported.
    """
    status = regular(path)
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if not start:
                raise ValueError("the file is empty")
            file.seek(0)
            formats = [form for form in FORMATS.values() if start.startswith(form.MAGIC)]
            if not formats:
                raise ValueError(f"none of {', '.join(FORMATS)}")
            header, decode = formats[0].opened(file)
            _check_size(header, status.st_size)
            yield header, decode
    except Unsupported as error:
        raise UserError(f"{path}: {error}") from error
    except UserError:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        reason = " ".join(str(error).replace(str(path), "it").split())[:150]
        raise UserError(
            f"{path}: not readable as an image ({reason}); replace or remove it"
        ) from error
