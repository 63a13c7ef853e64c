"""The TFDS builder `unity_eyes`."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from simgan_jax.data.builder import ManualBuilder, one_line
from simgan_jax.data.jobs import Chunk, Job, Stamp, collect, stamp
from simgan_jax.data.unity_eyes.decode import Framing, decode
from simgan_jax.errors import UserError, printable

PICTURES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
LABELS = (".json", ".JSON")
_PICTURES_A_JOB = 250
# Where the middle of the lids may lie: shares of the picture's width and height from its middle.
_FARTHEST_MEDIAN, _FEWEST = 0.12, 10


@dataclass
class UnityEyesConfig(tfds.core.BuilderConfig):
    """How the pictures are cut and shown.

    Attributes:
        framing: window and size.
        colour: RGB instead of grey.
        equalise: histogram equalisation of grey images, which MPIIGaze's images have been through.
    """

    framing: Framing = Framing()  # noqa: RUF009 (frozen)
    colour: bool = False
    equalise: bool = True


class UnityEyes(ManualBuilder):
    """Eye images and labels made with UnityEyes, in the conventions of MPIIGaze.

    Features of an example (h = 36, w = 60; pixels count from the centre of the upper left one):

        name          file name of the picture
        image         uint8 [h, w, 1] (3 in the configuration "colour")
        gaze          float32 [3], unit vector, camera frame: x right, y down, z away
        head_pose     float32 [2], where the face points: (pitch, yaw) in radians, as for gaze:
                      positive pitch is up, positive yaw is to the left of the image
        pupil         float32 [2], centre of the iris's outline, (x, y) pixels
        iris_ellipse  float32 [5], centre (x, y), semi-axes a and b in pixels, angle of a in radians
        lid           float32 [16, 2], margin of the lids, pixels; from the caruncle on
        caruncle      float32 [7, 2], pixels
        iris          float32 [32, 2], outline of the iris, also behind the lids, pixels
        iris_mask     uint8 [h, w], share of the pixel that shows iris or pupil, 0..255
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        UnityEyesConfig(name="grey", description="Grey, 36 x 60, histogram equalised."),
        UnityEyesConfig(name="grey_plain", description="Grey, 36 x 60.", equalise=False),
        UnityEyesConfig(name="colour", description="RGB, 36 x 60.", colour=True, equalise=False),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Make images with UnityEyes and put them, N.jpg (or N.png) with N.json, in a folder; sub-folders
    are searched too.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        size = (config.framing.height, config.framing.width)
        tensor = tfds.features.Tensor
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "image": tensor(
                        shape=(*size, 3 if config.colour else 1), dtype=np.uint8, encoding="bytes"
                    ),
                    "gaze": tensor(shape=(3,), dtype=np.float32),
                    "head_pose": tensor(shape=(2,), dtype=np.float32),
                    "pupil": tensor(shape=(2,), dtype=np.float32),
                    "iris_ellipse": tensor(shape=(5,), dtype=np.float32),
                    "lid": tensor(shape=(16, 2), dtype=np.float32),
                    "caruncle": tensor(shape=(7, 2), dtype=np.float32),
                    "iris": tensor(shape=(32, 2), dtype=np.float32),
                    "iris_mask": tensor(shape=size, dtype=np.uint8, encoding="bytes"),
                }
            ),
            homepage="https://www.cl.cam.ac.uk/research/rainbow/projects/unityeyes/",
        )

    def jobs(self, folder: Path, on_error: str) -> dict[str, list[Job]]:
        """One job for each few hundred pictures.

        Raises:
            UserError: neither pictures nor their JSON files there.
        """
        files = _listing(folder)
        pairs = _pairs(files)
        paired = {picture for picture, *_ in pairs}
        others = [x for x in sorted(files) if x.endswith(PICTURES) and x not in paired]
        if not pairs:
            raise UserError(
                f"{folder}: no N.jpg or N.json of UnityEyes there. "
                f"{one_line(self.MANUAL_DOWNLOAD_INSTRUCTIONS)}"
            )
        config = self.builder_config
        settings = (config.framing, config.colour, config.equalise, on_error)
        starts = range(0, len(pairs), _PICTURES_A_JOB)
        parts = [pairs[start : start + _PICTURES_A_JOB] for start in starts]
        jobs = [Job(_work, (str(folder), part, *settings), len(part)) for part in parts]
        return {"train": [*jobs, Job(_left_out, (str(folder), tuple(others)), 0)]}


def _listing(folder: Path) -> dict[str, Stamp]:
    """All files below a folder by path, but for hidden ones; links to folders are followed once."""
    found, folders, seen = {}, [""], {os.path.realpath(folder)}
    while folders:
        below = folders.pop()
        try:
            with os.scandir(folder / below) as entries:
                there = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise UserError(f"{folder / below}: {error.strerror or 'unreadable'}") from error
        for entry in there:
            path = f"{below}/{entry.name}".lstrip("/")
            if entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path)):
                found[path] = stamp(entry.path)
            elif entry.is_dir() and (real := os.path.realpath(entry.path)) not in seen:
                seen.add(real)
                folders.append(path)
    return found


def _pairs(files: dict[str, Stamp]) -> list[tuple[str, Stamp, str, Stamp]]:
    """Pictures and their labels, sorted by path.

    Files that are called by a number are a picture's even if the other of the two is missing, which is
    then found when it is read; other names must have both.
    """
    stems = {stem for stem, suffix in map(os.path.splitext, files) if suffix in PICTURES + LABELS}
    pairs = []
    for stem in sorted(stems):
        picture, label = (
            next(
                (stem + suffix for suffix in suffixes if stem + suffix in files), stem + suffixes[0]
            )
            for suffixes in (PICTURES, LABELS)
        )
        if (picture in files and label in files) or os.path.basename(stem).isdecimal():
            pairs.append((picture, files.get(picture), label, files.get(label)))
    return pairs


def _left_out(folder: str, pictures: tuple[str, ...]) -> Chunk:
    """Says of pictures under other names that they have no labels, so that lost ones are noticed."""
    return Chunk({}, [f"{folder}/{x}: no JSON file of its name; left out" for x in pictures])


def _work(
    folder: str,
    pairs: list[tuple[str, Stamp, str, Stamp]],
    framing: Framing,
    colour: bool,
    equalise: bool,
    on_error: str,
) -> Chunk:
    """Decodes some pictures.

    Raises:
        UserError: damaged input, unless it is skipped; or eyes that are mostly not where UnityEyes has
            them.
    """

    def one(pair):
        picture, _, label, _ = pair
        example = decode(Path(folder, picture), Path(folder, label), framing, colour, equalise)
        return example | {"name": printable(picture)}

    chunk = collect(pairs, one, on_error)
    places = chunk.examples.pop("place", np.empty((0, 2)))
    if len(places) >= _FEWEST:
        x, y = np.median(places, axis=0)
        if max(abs(x), abs(y)) > _FARTHEST_MEDIAN:
            raise UserError(
                f"{folder}: by their JSON files, {pairs[0][0]} and the next have their eyes about "
                f"{x:+.0%} of the width and {y:+.0%} of the height from the middle, where UnityEyes "
                "has them. Were the pictures resized or cut? Use them as UnityEyes wrote them"
            )
    return chunk
