"""The TFDS builder `mpii_gaze`."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float

from simgan_jax.data import label_values
from simgan_jax.data.builder import ManualBuilder, one_line
from simgan_jax.data.jobs import Chunk, Job, Stamp, guarded, stamp
from simgan_jax.data.mat5 import read_mat
from simgan_jax.errors import UserError
from simgan_jax.metrics.angles import pitch_yaw

HEIGHT, WIDTH = 36, 60
LISTS = Path("Evaluation Subset", "sample list for eye image")
SIDES = ("left", "right")
_DAY_BYTES = 100_000_000
_LINE = re.compile(r"(day\d{2})/([\w.-]{1,40}) (left|right)", re.ASCII)


class MpiiGaze(ManualBuilder):
    """MPIIGaze's normalised eye images, right eyes mirrored to look like left ones.

    Features of an example:

        name         "p00/day01/0001.jpg left"
        image        uint8 [36, 60, 1]; the set's authors have equalised its histogram
        gaze         float32 [3], unit vector, camera frame: x right, y down, z away
        head_pose    float32 [2], (pitch, yaw) in radians; positive pitch is up, positive yaw is to the
                     left of the image, as for gaze
        participant  int32, 0..14
        day          int32
        mirrored     uint8, 1 if it was a right eye: image flipped, x of gaze and yaw of head negated
        evaluation   uint8, 1 if it is in the Evaluation Subset (3,000 images of each person)

    There is one split for each person, p00 to p14, in the order of days, sides and frames before TFDS's
    shuffling; "all" joins them.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First."}  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Unpack MPIIGaze.tar.gz in a folder, so that Data/Normalized/p00/day01.mat and
    'Evaluation Subset/sample list for eye image/p00.txt' are in it.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        tensor, scalar = tfds.features.Tensor, tfds.features.Scalar
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "image": tensor(shape=(HEIGHT, WIDTH, 1), dtype=np.uint8, encoding="bytes"),
                    "gaze": tensor(shape=(3,), dtype=np.float32),
                    "head_pose": tensor(shape=(2,), dtype=np.float32),
                    "participant": scalar(np.int32),
                    "day": scalar(np.int32),
                    "mirrored": scalar(np.uint8),
                    "evaluation": scalar(np.uint8),
                }
            ),
            homepage="https://www.mpi-inf.mpg.de/MPIIGaze",
        )

    def jobs(self, folder: Path, on_error: str) -> dict[str, list[Job]]:
        """One job for each day of a person.

        Raises:
            UserError: no folder Data/Normalized with days, here or above.
        """
        # A user may also have named the folder that is called Data, or Normalized.
        roots = [folder, folder.parent, folder.parent.parent]
        root = next((r for r in roots if any(r.glob("Data/Normalized/p[0-9][0-9]/*.mat"))), None)
        if root is None:
            raise UserError(
                f"{folder}: no Data/Normalized/pXX/dayYY.mat there. "
                f"{one_line(self.MANUAL_DOWNLOAD_INSTRUCTIONS)}"
            )
        splits: dict[str, list[Job]] = {}
        for person in sorted(root.glob("Data/Normalized/p[0-9][0-9]")):
            listed = root / LISTS / f"{person.name}.txt"
            paths = sorted(person.glob("day[0-9][0-9].mat"))
            absent = tuple(sorted(_listed_days(listed) - {path.stem for path in paths}))
            for path in paths:
                changed = (stamp(path), stamp(listed))
                work = (str(path), str(listed), person.name, path.stem, on_error, changed)
                job = Job(_work, (*work, absent if path == paths[0] else ()), 1)
                splits.setdefault(person.name, []).append(job)
        return splits


def _work(
    path: str,
    listed: str,
    person: str,
    day: str,
    on_error: str,
    changed: tuple[Stamp, ...],
    absent: tuple[str, ...] = (),
) -> Chunk:
    """Both eyes of all frames of a day.

    Args:
        path: of the day's file.
        listed: path of the person's list.
        person: "p00".
        day: "day01".
        on_error: "stop" or "skip".
        changed: only makes the result another one.
        absent: days that the list names and that are not there, if this is the person's first.
    """
    del changed
    faults: list[str] = []
    attempt = partial(guarded, faults, on_error)

    for other in absent:
        attempt(_missing, f"{listed}: names {other}, of which there is no {other}.mat")
    chosen = attempt(evaluation_list, Path(listed), day) or set()
    read = attempt(read_day, Path(path))
    if read is None:
        return Chunk({}, faults)
    sides, frames = read
    names = [f"{frame} {side}" for side in SIDES for frame in frames]
    for missing in sorted(chosen - set(names)):
        attempt(_missing, f"{listed}: {day}/{missing} is not in {path}")
    count = len(frames)
    examples = {
        key: np.concatenate([sides[side][key] for side in SIDES])
        for key in ("image", "gaze", "head_pose")
    }
    examples |= {
        "name": np.array([f"{person}/{day}/{name}" for name in names]),
        "participant": np.full(2 * count, int(person[1:]), np.int32),
        "day": np.full(2 * count, int(day[3:]), np.int32),
        "mirrored": np.repeat(np.array([0, 1], np.uint8), count),
        "evaluation": np.array([name in chosen for name in names], np.uint8),
    }
    return Chunk(examples, faults)


def _listed_days(path: Path) -> set[str]:
    """Days in a person's list, as far as it is readable."""
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except OSError:
        return set()
    return {match[1] for match in map(_LINE.fullmatch, map(str.strip, lines)) if match}


def _missing(message: str) -> None:
    raise UserError(message)


def read_day(path: Path) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """The eyes of a day, right ones mirrored, and the names of the frames.

    Raises:
        UserError: missing, damaged, or other than described above.
    """
    content = read_mat(path, ("data", "filenames"), _DAY_BYTES)
    frames = content["filenames"]
    frames = [frames] if isinstance(frames, str) else frames
    if not isinstance(frames, list) or not all(isinstance(x, str) and x for x in frames):
        raise UserError(f"{path}: filenames is no list of texts")
    frames = [frame.strip() for frame in frames]
    if len(set(frames)) != len(frames):
        raise UserError(f"{path}: filenames holds a name twice")
    sides = {}
    for side in SIDES:
        eye = content["data"].get(side) if isinstance(content["data"], dict) else None
        if not isinstance(eye, dict):
            raise UserError(f"{path}: no struct data.{side}")
        sides[side] = _eye(eye, f"{path}: data.{side}", len(frames), mirror=side == "right")
    return sides, frames


def _eye(eye: dict[str, Any], where: str, count: int, mirror: bool) -> dict[str, np.ndarray]:
    image = eye.get("image")
    if isinstance(image, np.ndarray) and image.shape == (HEIGHT, WIDTH):
        image = image[None]  # a day with one frame, saved without its first axis
    label_values.array(image, (count, HEIGHT, WIDTH), f"{where}.image")
    if image.dtype != np.uint8:
        raise UserError(f"{where}.image: {image.dtype}, expected uint8")
    gaze, pose = (
        label_values.array(
            value.reshape(1, 3) if isinstance(value, np.ndarray) and value.size == 3 else value,
            (count, 3),
            f"{where}.{name}",
        )
        for name, value in (("gaze", eye.get("gaze")), ("pose", eye.get("pose")))
    )
    gaze = label_values.unit_vectors(gaze, f"{where}.gaze")
    if (np.linalg.norm(pose, axis=1) > 2 * np.pi).any():
        raise UserError(f"{where}.pose: a rotation of more than 2 pi")
    head = head_angles(pose)
    if mirror:
        image, gaze, head = image[:, :, ::-1], gaze * (-1, 1, 1), head * (1, -1)
    return {
        "image": np.ascontiguousarray(image)[..., None],
        "gaze": gaze.astype(np.float32),
        "head_pose": head.astype(np.float32),
    }


def head_angles(pose: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
    """Pitch and yaw of heads, radians.

    Args:
        pose: rotation vectors (Rodrigues) of the head's frame, whose z axis points out of the back of
            the head. So a positive pitch is a face that looks up, as with gaze.
    """
    angle = np.linalg.norm(pose, axis=1, keepdims=True)
    x, y, z = (pose / np.maximum(angle, 1e-12)).T
    cos, sin = np.cos(angle[:, 0]), np.sin(angle[:, 0])
    # Third column of the rotation matrix.
    backwards = np.stack(
        [x * z * (1 - cos) + y * sin, y * z * (1 - cos) - x * sin, cos + z * z * (1 - cos)], 1
    )
    return pitch_yaw(-backwards)


def evaluation_list(path: Path, day: str) -> set[str]:
    """The frames and sides ("0001.jpg left") of a day in a person's list; none if there is no list.

    Raises:
        UserError: a line of another form.
    """
    try:
        lines = path.read_bytes().decode("ascii").splitlines() if path.exists() else []
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as plain text") from error
    chosen = set()
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line.strip())
        if line.strip() and not match:
            raise UserError(
                f"{path}:{number}: {label_values.shown(line)}, expected as in 'day01/0001.jpg left'"
            )
        if match and match[1] == day:
            chosen.add(f"{match[2]} {match[3]}")
    return chosen
