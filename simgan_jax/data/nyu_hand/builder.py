"""The TFDS builder `nyu_hand`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float, UInt8, UInt16

from simgan_jax.data import label_values
from simgan_jax.data.builder import ManualBuilder, one_line
from simgan_jax.data.depth import BACKGROUND, HALF_RANGE_MM, encode_depth
from simgan_jax.data.jobs import Chunk, Job, collect, stamp
from simgan_jax.data.mat5 import read_mat
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.io.orientation import UPRIGHT

SIZE = 224
# The 14 of the 36 joints on which the literature scores, see JOINT_NAMES.
JOINTS = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)
JOINT_NAMES = (
    *("pinky_tip", "pinky_pip", "ring_tip", "ring_pip", "middle_tip", "middle_pip"),
    *("index_tip", "index_pip", "thumb_tip", "thumb_ip", "thumb_mcp"),
    *("wrist_ulnar", "wrist_radial", "palm"),
)
SPLITS = ("train", "test")
KINDS = {"real": "depth", "synthetic": "synthdepth"}
VIEWS = (1, 2, 3)
# Of the sensor, in pixels; the set's authors give them with their conversion to millimetres.
FOCAL = np.array([588.036865, 587.075073])
HEIGHT, WIDTH = 480, 640
_FRAMES_A_JOB = 200


@dataclass
class NyuHandConfig(tfds.core.BuilderConfig):
    """Which of a frame's six depth images.

    Attributes:
        kind: "real" (the sensor's) or "synthetic" (rendered from the fitted hand model).
        view: camera, 1 to 3; 1 is the frontal one, on which the literature trains and tests.
        size: pixels of a side of the cropped image.
    """

    kind: str = "real"
    view: int = 1
    size: int = SIZE


class NyuHand(ManualBuilder):
    """Depth images of the NYU Hand Pose set, cut to a cube of 300 mm around the hand.

    The cube's centre (u, v, mm) is the middle of the box around the 14 joints, the same for the real
    and the synthetic image of a frame, which pair by split, view and `frame`. Its face is a square of
    300 mm at the centre's depth, sampled at the nearest pixels: no mean of hand and background.

    Features of an example (s = 224; pixels count from the centre of the upper left one):

        name            "train/depth_1_0000001.png"
        image           uint16 [s, s, 1], `depth.encode_depth` about centre_mm: 0 is 150 mm nearer,
                        65535 150 mm farther, or background, or no reading. 16 bits, since 8 bits would
                        be steps of 1.2 mm, as coarse as the sensor's noise
        hand_mask       uint8 [s, s], 255 where there is a depth within the cube
        joints_uvd      float32 [14, 3], `JOINT_NAMES`: u (to the right) and v (down) in pixels of
                        `image`, depth in mm
        all_joints_uvd  float32 [36, 3], all joints in pixels of the sensor's 640 x 480 image
        centre_uvd      float32 [3], the cube's centre in pixels of the sensor's image and mm
        frame           int32, from 1
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First."}  # noqa: RUF012
    BUILDER_CONFIGS = [  # noqa: RUF012
        NyuHandConfig(
            name=f"{kind}_{view}", description=f"{kind}, camera {view}", kind=kind, view=view
        )
        for view in VIEWS
        for kind in KINDS
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Unpack nyu_hand_dataset_v2.zip in a folder, so that train/joint_data.mat,
    train/depth_1_0000001.png, train/synthdepth_1_0000001.png and the same under test are in it.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        size, tensor = self.builder_config.size, tfds.features.Tensor
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "image": tensor(shape=(size, size, 1), dtype=np.uint16, encoding="zlib"),
                    "hand_mask": tensor(shape=(size, size), dtype=np.uint8, encoding="zlib"),
                    "joints_uvd": tensor(shape=(len(JOINTS), 3), dtype=np.float32),
                    "all_joints_uvd": tensor(shape=(36, 3), dtype=np.float32),
                    "centre_uvd": tensor(shape=(3,), dtype=np.float32),
                    "frame": tfds.features.Scalar(np.int32),
                }
            ),
            homepage="https://jonathantompson.github.io/NYU_Hand_Pose_Dataset.htm",
        )

    def jobs(self, folder: Path, on_error: str) -> dict[str, list[Job]]:
        """One job for each 200 frames of the splits that are there.

        Raises:
            UserError: no split there, or a joint_data.mat that is damaged.
        """
        config = self.builder_config
        splits = {}
        for split in SPLITS:
            path = folder / split / "joint_data.mat"
            if not path.exists():
                continue
            joints = all_joints(path)[config.view - 1]
            frames = range(1, len(joints) + 1)
            parts = [frames[i : i + _FRAMES_A_JOB] for i in range(0, len(frames), _FRAMES_A_JOB)]
            splits[split] = [
                Job(
                    _work,
                    (
                        *(str(folder), split, config.kind, config.view, config.size, on_error),
                        *(part, joints[part.start - 1 : part.stop - 1]),
                        _changed(folder, split, config, part),
                    ),
                    len(part),
                )
                for part in parts
            ]
        if not splits:
            raise UserError(
                f"{folder}: neither train/joint_data.mat nor test/joint_data.mat there. "
                f"{one_line(self.MANUAL_DOWNLOAD_INSTRUCTIONS)}"
            )
        return splits


def all_joints(path: Path) -> Float[np.ndarray, "3 n 36 3"]:
    """joint_uvd of a joint_data.mat: pixels and millimetres by view, frame and joint.

    Raises:
        UserError: missing or damaged.
    """
    where = f"{path}: joint_uvd"
    return label_values.array(read_mat(path, ["joint_uvd"])["joint_uvd"], (3, None, 36, 3), where)


def decode(path: Path, joints: Float[np.ndarray, "36 3"], size: int) -> dict[str, np.ndarray | str]:
    """Reads and crops one depth image.

    Args:
        path: PNG of 640 x 480 pixels; depth in mm is 256 * green + blue.
        joints: u, v in pixels, depth in mm.
        size: pixels of the output's sides.

    Returns:
        image, hand_mask, joints_uvd, all_joints_uvd, centre_uvd; see `NyuHand`.

    Raises:
        UserError: missing or damaged image, joints outside it, nothing within the cube.
    """
    scored = joints[list(JOINTS)]
    centre = (scored.min(0) + scored.max(0)) / 2
    if not (abs(centre[:2] - (WIDTH / 2, HEIGHT / 2)) < (WIDTH, HEIGHT)).all() or not (
        100 < scored[:, 2].min() <= scored[:, 2].max() < 5000
    ):
        raise UserError(
            f"{path}: joints about {centre.round(1).tolist()} (px, px, mm) are no hand's"
        )
    side = 2 * HALF_RANGE_MM * FOCAL / centre[2]
    image = encode_depth(crop(depth_mm(path), centre[:2], side, size), centre[2])
    mask = mask_of(image)
    if not mask.any():
        raise UserError(f"{path}: no depth within the cube about the joints; is it another frame?")
    placed = scored.copy()
    placed[:, :2] = ((scored[:, :2] - centre[:2]) / side + 0.5) * size - 0.5
    return {
        "image": image[..., None],
        "hand_mask": mask,
        "joints_uvd": placed.astype(np.float32),
        "all_joints_uvd": joints.astype(np.float32),
        "centre_uvd": centre.astype(np.float32),
    }


def depth_mm(path: Path) -> UInt16[np.ndarray, "480 640"]:
    """Depth in millimetres; 0 is no reading.

    Raises:
        UserError: missing, damaged, or not an 8-bit RGB image of 640 x 480.
    """
    picture = image_files.read(path)
    pixels = picture.pixels
    if picture.header.orientation != UPRIGHT:
        raise UserError(f"{path}: an orientation tag, which files of the set do not have")
    if pixels.shape != (1, HEIGHT, WIDTH, 3) or pixels.dtype != np.uint8:
        shape = " x ".join(map(str, pixels.shape[1:]))
        raise UserError(f"{path}: {pixels.dtype} {shape}, expected uint8 {HEIGHT} x {WIDTH} x 3")
    return pixels[0, ..., 1].astype(np.uint16) * 256 + pixels[0, ..., 2]


def crop(
    depth: UInt16[np.ndarray, "h w"],
    centre: Float[np.ndarray, "2"],
    side: Float[np.ndarray, "2"],
    size: int,
) -> UInt16[np.ndarray, "size size"]:
    """A window about a centre, at the nearest pixels; 0 outside the image.

    Args:
        depth: the whole image.
        centre: (u, v) pixels.
        side: width and height of the window, pixels.
        size: pixels of the output's sides.
    """
    steps = (np.arange(size) + 0.5) / size - 0.5
    u, v = (np.rint(c + s * steps).astype(int) for c, s in zip(centre, side, strict=True))
    inside = ((v >= 0) & (v < depth.shape[0]))[:, None] & ((u >= 0) & (u < depth.shape[1]))
    window = depth[v.clip(0, depth.shape[0] - 1)[:, None], u.clip(0, depth.shape[1] - 1)]
    return np.where(inside, window, np.uint16(0))


def mask_of(image: UInt16[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """255 where an encoded image shows something, 0 at background."""
    return np.where(image < BACKGROUND, np.uint8(255), np.uint8(0))


def _file(split: str, kind: str, view: int, frame: int) -> str:
    return f"{split}/{KINDS[kind]}_{view}_{frame:07d}.png"


def _changed(folder: Path, split: str, config: NyuHandConfig, frames: range) -> tuple:
    """Sizes and times of the files, so that a mended file is read again."""
    names = (_file(split, config.kind, config.view, frame) for frame in frames)
    return tuple(stamp(folder / name) for name in names)


def _work(
    folder: str,
    split: str,
    kind: str,
    view: int,
    size: int,
    on_error: str,
    frames: range,
    joints: Float[np.ndarray, "n 36 3"],
    changed: tuple,
) -> Chunk:
    """Decodes some frames."""
    del changed  # only makes the result another one

    def one(frame):
        name = _file(split, kind, view, frame)
        example = decode(Path(folder, name), joints[frame - frames.start], size)
        return example | {"name": name, "frame": np.int32(frame)}

    return collect(frames, one, on_error)
