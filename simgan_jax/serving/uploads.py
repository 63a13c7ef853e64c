"""What a browser sent: files in a folder of our own, looked at, and refined as `refine` does."""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Shaped

from simgan_jax.errors import UserError
from simgan_jax.io import codecs, image_files
from simgan_jax.io.pictures import Header
from simgan_jax.refinement import label_pictures
from simgan_jax.refinement.folders import refine_folder
from simgan_jax.refinement.inputs import Options
from simgan_jax.refinement.refiner import Refine

# Of all pictures sent at once, in pixels: five of a telephone.
MOST_PIXELS = 2**26
# Side of the square in the middle of a picture that is shown.
SHOWN = 640
LEFT_OUT = "left_out.txt"


class Upload(Protocol):
    """A file of a form, as werkzeug has it."""

    filename: str | None

    def save(self, path: Path) -> None:
        """Writes it to a file."""


class Shown(NamedTuple):
    """The middle of a picture before and after, as 8-bit PNG, and what to know about it."""

    before: bytes
    after: bytes
    note: str


def show(refiner: Refine, upload: Upload) -> Shown:
    """Refines the middle of a picture to be looked at.

    Raises:
        UserError: not a picture, or a damaged or too large one.
    """
    with received([upload]) as folder:
        (path,) = image_files.walk(folder)
        _check_pixels([image_files.read_header(path)])
        pixels = image_files.read(path).pixels[:1]
    notes = []
    if label_pictures.by_pixels(pixels):
        notes += ["looks like labels, which are handed on as they are"]
    top, left = (max(0, (size - SHOWN) // 2) for size in pixels.shape[1:3])
    middle = pixels[:, top : top + SHOWN, left : left + SHOWN]
    if middle.shape != pixels.shape:
        notes += [f"{pixels.shape[2]} x {pixels.shape[1]} pixels, of which the middle is shown"]
    return Shown(_png(middle), _png(refiner(middle)), "; ".join(notes))


def refined(refiner: Refine, uploads: list[Upload]) -> tuple[str, bytes]:
    """Refines pictures into files like those that came; labels and other files stay as they are.

    Returns:
        Name and content of the file, or of a zip archive if several came.

    Raises:
        UserError: no picture among them, or too many pixels.
    """
    with received(uploads) as folder, tempfile.TemporaryDirectory() as output:
        files = image_files.walk(folder)
        if len(files) == 1:
            image_files.read(files[0])  # says best what is wrong with it
        labels = _take_labels(folder)
        if len(labels) == len(files):
            raise UserError("this looks like labels, which a refiner would spoil")
        options = Options(images="*", on_error="skip")
        manifest = refine_folder(refiner, folder, Path(output), options)
        made = {name: (Path(output) / name).read_bytes() for name in manifest.records}
    if len(files) == 1:
        ((name, content),) = made.items()
        return PurePosixPath(name).name, content
    if failed := manifest.about["failed"]:
        text = "".join(f"{reason.replace(f'{folder}/', '')}\n" for reason in failed.values())
        made[LEFT_OUT] = text.encode()
    return "refined.zip", _zip(labels | made)


@contextlib.contextmanager
def received(uploads: Iterable[Upload]) -> Iterator[Path]:
    """A folder with the files under the relative paths that the browser gave; it goes away after.

    Hidden files are left out. Messages of errors do not show where the folder is.

    Raises:
        UserError: a path that leads out of the folder, or two alike; no file.
    """
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top).resolve()
        try:
            for upload in uploads:
                name = _relative(upload.filename or "")
                if any(part.startswith(".") for part in name.parts):
                    continue
                path = folder / name
                if path.exists():
                    raise UserError(f"{name}: twice")
                path.parent.mkdir(parents=True, exist_ok=True)
                upload.save(path)
            if not any(folder.iterdir()):
                raise UserError("no file came")
            yield folder
        except OSError as error:
            raise UserError(f"cannot be stored ({error.strerror})") from error
        except UserError as error:
            raise UserError(str(error).replace(f"{folder}/", "")) from error


def _relative(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or {"..", "\0"} & {*path.parts, *name}:
        raise UserError(f"{name[:80]!a}: no name of a file")
    return path


def _take_labels(folder: Path) -> dict[str, bytes]:
    """Takes what looks like labels out of the folder, and returns it by name."""
    headers = {}
    for path in image_files.walk(folder):
        if path.suffix.lower() in image_files.SUFFIXES:
            with contextlib.suppress(UserError):  # who refines says so
                headers[path.relative_to(folder).as_posix()] = image_files.read_header(path)
    _check_pixels(headers.values())
    labels = set(label_pictures.by_names(headers, [h.shape[1:3] for h in headers.values()]))
    for name, header in headers.items():
        if header.format != "JPEG":
            with contextlib.suppress(UserError):
                if label_pictures.by_pixels(image_files.read(folder / name).pixels):
                    labels.add(name)
    taken = {name: (folder / name).read_bytes() for name in sorted(labels)}
    for name in labels:
        (folder / name).unlink()
    return taken


def _check_pixels(headers: Iterable[Header]) -> None:
    pixels = sum(images * height * width for images, height, width, _ in (h.shape for h in headers))
    if pixels > MOST_PIXELS:
        raise UserError(
            f"{pixels:,} pixels, more than {MOST_PIXELS:,} at once; use python -m simgan_jax.refine"
        )


def _png(pixels: Shaped[np.ndarray, "1 h w c"]) -> bytes:
    """What a browser shows of a picture."""
    shown = pixels[0] if pixels.dtype == np.uint8 else (pixels[0] >> 8).astype(np.uint8)
    return codecs.encode(image_files.png(shown))


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:  # pictures are compressed already
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()
