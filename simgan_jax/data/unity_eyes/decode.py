"""One UnityEyes image and its JSON: window, image, labels.

UnityEyes writes what Unity knows. Texts are tuples; landmarks are `WorldToScreenPoint`: pixels from the
lower left corner of the screen, and the distance from the camera in centimetres. `look_vec` is the gaze
in the camera's frame with y up. `head_pose` holds, in spite of its name, the Euler angles of the camera
in the world (degrees, y up, left-handed), in which the face looks along +z. All labels here are in
MPIIGaze's conventions: the camera's frame with x right, y down, z away, pixels from the upper left.

The eye is the subject's left, with the caruncle at the left of the image, as are MPIIGaze's after
mirroring.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw

from simgan_jax.data import label_values
from simgan_jax.data.histogram_matching import equalized
from simgan_jax.errors import UserError, regular
from simgan_jax.metrics.angles import pitch_yaw

LANDMARKS = {"interior_margin_2d": 16, "caruncle_2d": 7, "iris_2d": 32}
FORMATS = ("JPEG", "PNG")
MODES = ("L", "RGB", "RGBA")
MAX_PIXELS = 50_000_000
# From the picture's middle, as shares of it. The camera looks at the eyeball; the lids lie before it.
FARTHEST = 0.18
# The mask is drawn so many times larger, and then averaged.
_OVERSAMPLING = 4


@dataclass(frozen=True)
class Framing:
    """What part of a picture is shown, and how large.

    MPIIGaze's normalised images have 1.6 pixels a millimetre; 60 x 36 of them see 37.5 x 22.5 mm, with
    an iris 20 to 22 pixels wide and an eye opening of 50 to 55. UnityEyes at 640 x 480 draws the iris
    82 pixels wide and the opening 140 to 160. A window 224 pixels wide shows them as 22 and 38 to 43:
    the iris is alike, the opening is not, and no scale makes both alike. Unity's field of view is fixed
    in height, so that the window follows the picture's height.

    Attributes:
        height: of the output, pixels.
        width: of the output, pixels.
        window: pixels of a 480 pixel high picture to one pixel of the output.
    """

    height: int = 36
    width: int = 60
    window: float = 224 / 60


def decode(
    image_path: Path, json_path: Path, framing: Framing, colour: bool, equalise: bool
) -> dict[str, Any]:
    """Reads one example.

    Args:
        image_path: JPEG or PNG of any size.
        json_path: what UnityEyes wrote beside it.
        framing: window and output size.
        colour: three channels instead of grey.
        equalise: equalises the histogram of a grey image, as MPIIGaze's normalisation does.

    Returns:
        name, image uint8 [h, w, 1 or 3], gaze, head_pose, pupil, iris_ellipse, lid, caruncle, iris,
        iris_mask; see the builder for shapes and units. And `place`, float32 [2], how far the middle of
        the lids is from that of the picture, shares of its width and height.

    Raises:
        UserError: a file is missing or damaged, or the eye is not where UnityEyes has it.
    """
    details = label_values.read_json(json_path)
    with _opened(image_path) as picture:
        width, height = picture.size
        points = {name: _landmarks(details, name, json_path, width, height) for name in LANDMARKS}
        lid, iris = points["interior_margin_2d"], points["iris_2d"]
        step = framing.window * height / 480
        # Edges of the window in a frame where the first pixel covers 0..1.
        centre = (lid.min(0) + lid.max(0)) / 2 + 0.5
        place = centre / (width, height) - 0.5
        if abs(place).max() > FARTHEST:
            raise UserError(
                f"{json_path}: the eye is {place[0]:+.0%} of the width and {place[1]:+.0%} of the "
                f"height from the middle of its image of {width} x {height} pixels; was that resized "
                "or cut?"
            )
        corner = centre - step * np.array([framing.width, framing.height]) / 2
        pixels = _window(picture, image_path, corner, step, framing, colour)
    if equalise and not colour:
        pixels = equalized(pixels)
    in_window = lambda xy: ((xy + 0.5 - corner) / step - 0.5).astype(np.float32)  # noqa: E731
    gaze, head = gaze_and_head(details, json_path)
    return {
        "name": image_path.name,
        "place": place.astype(np.float32),
        "image": pixels.reshape(framing.height, framing.width, -1),
        "gaze": gaze,
        "head_pose": head,
        "pupil": in_window(iris.mean(0)),
        "iris_ellipse": ellipse(in_window(iris)),
        "lid": in_window(lid),
        "caruncle": in_window(points["caruncle_2d"]),
        "iris": in_window(iris),
        "iris_mask": visible_iris(in_window(iris), in_window(lid), framing.height, framing.width),
    }


def gaze_and_head(
    details: dict[str, Any], path: Path
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "2"]]:
    """Gaze vector and head (pitch, yaw) in radians, both in MPIIGaze's conventions.

    Args:
        details: content of the JSON file.
        path: of the file, for messages.

    Raises:
        UserError: missing or damaged fields.
    """
    eye = details.get("eye_details")
    look = eye.get("look_vec") if isinstance(eye, dict) else None
    where = f"{path}: look_vec"
    vector = label_values.numbers(look, 4, where)[:3] * (1, -1, 1)
    gaze = label_values.unit_vectors(vector, where)
    camera = label_values.numbers(details.get("head_pose"), 3, f"{path}: head_pose")
    pitch, yaw = np.radians(camera[:2])
    # The world's +z axis, where the face looks, in the frame of a camera turned by yaw about y and
    # then by pitch about x: (-sin yaw, sin pitch cos yaw, cos pitch cos yaw), x right, y up, z away.
    right, up, away = -np.sin(yaw), np.sin(pitch) * np.cos(yaw), np.cos(pitch) * np.cos(yaw)
    if away >= 0:
        raise UserError(f"{path}: head_pose {camera.tolist()} looks away from the camera")
    head = pitch_yaw(np.array([right, -up, away]))
    return gaze.astype(np.float32), head.astype(np.float32)


def ellipse(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "5"]:
    """The ellipse on which points lie that are the image of evenly spaced points of a circle.

    Returns:
        centre x and y, semi-axes a >= b, in pixels, and the angle of a from x towards y, radians.
    """
    centre = points.mean(0)
    # Along an axis of length a, cos**2 averages to 1/2.
    variances, axes = np.linalg.eigh(2 * np.cov((points - centre).T, bias=True))
    b, a = np.sqrt(np.maximum(variances, 0))
    angle = np.arctan2(axes[1, 1], axes[0, 1])
    return np.array([*centre, a, b, (angle + np.pi / 2) % np.pi - np.pi / 2], np.float32)


def visible_iris(
    iris: Float[np.ndarray, "n 2"], lid: Float[np.ndarray, "m 2"], height: int, width: int
) -> UInt8[np.ndarray, "h w"]:
    """Share of each pixel (0..255) that shows iris or pupil between the lids."""
    masks = []
    for points in (iris, lid):
        mask = Image.new("1", (width * _OVERSAMPLING, height * _OVERSAMPLING))
        corners = (points + 0.5) * _OVERSAMPLING - 0.5
        ImageDraw.Draw(mask).polygon([tuple(map(float, xy)) for xy in corners], fill=1)
        masks.append(np.asarray(mask))
    both = (masks[0] & masks[1]).reshape(height, _OVERSAMPLING, width, _OVERSAMPLING)
    return np.round(both.mean((1, 3)) * 255).astype(np.uint8)


def _landmarks(
    details: dict[str, Any], name: str, path: Path, width: int, height: int
) -> Float[np.ndarray, "n 2"]:
    """Landmarks as pixels from the upper left, where the first pixel's centre is (0, 0)."""
    texts = details.get(name)
    count = LANDMARKS[name]
    if not isinstance(texts, list) or len(texts) != count:
        found = f"{len(texts)} points" if isinstance(texts, list) else label_values.shown(texts)
        raise UserError(f"{path}: {name} is {found}, expected a list of {count} points")
    points = np.stack([label_values.numbers(text, 3, f"{path}: {name}") for text in texts])
    x, y = points[:, 0] - 0.5, height - 0.5 - points[:, 1]
    if x.min() < 0 or y.min() < 0 or x.max() > width or y.max() > height:
        raise UserError(
            f"{path}: {name} lies outside its image of {width} x {height} pixels; was it resized?"
        )
    return np.stack([x, y], 1)


def _opened(path: Path) -> Image.Image:
    """Opens an image, its pixels not yet decoded."""
    regular(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = Image.open(path, formats=FORMATS)
    except Exception as error:  # decoders raise anything on damaged files
        raise UserError(f"{path}: not readable as a JPEG or PNG image") from error
    if picture.mode not in MODES:
        picture.close()
        raise UserError(f"{path}: mode {picture.mode}; UnityEyes writes 8-bit RGB")
    if not 0 < picture.width * picture.height <= MAX_PIXELS:
        picture.close()
        raise UserError(
            f"{path}: {picture.width} x {picture.height} pixels; at most {MAX_PIXELS:,} are read"
        )
    return picture


def _window(
    picture: Image.Image,
    path: Path,
    corner: Float[np.ndarray, "2"],
    step: float,
    framing: Framing,
    colour: bool,
) -> Shaped[np.ndarray, "h w *c"]:
    """Cuts the window out and scales it, each output pixel an average over what it covers."""
    mode, size = "RGB" if colour else "L", np.array(picture.size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # A JPEG decodes faster at half size, which is enough where the step is 2 pixels or more.
            halvings = max(0, int(np.log2(max(step, 1) / 1.5)))
            picture.draft(mode, tuple(int(s) for s in np.ceil(size / 2**halvings)))
            reduced = np.round(size / np.array(picture.size))
            picture = picture.convert(mode)
            low, high = corner, corner + step * np.array([framing.width, framing.height])
            beyond = np.maximum(np.ceil([-low, high - size]).astype(int), 0)
            if (beyond > size // 4).any():
                raise UserError(f"{path}: the eye is too near the border of the image")
            low, high = low / reduced, high / reduced
            if beyond.any():
                picture, offset = _with_border(picture, np.ceil(beyond / reduced).astype(int))
                low, high = low + offset, high + offset
            scaled = picture.resize(
                (framing.width, framing.height), Image.Resampling.BILINEAR, (*low, *high)
            )
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: image data are damaged or cut short") from error
    return np.asarray(scaled)


def _with_border(picture: Image.Image, beyond: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    """Continues the outermost pixels; beyond is (left, top), (right, bottom)."""
    (left, top), (right, bottom) = beyond
    pixels = np.asarray(picture)
    widths = [(top, bottom), (left, right)] + [(0, 0)] * (pixels.ndim - 2)
    return Image.fromarray(np.pad(pixels, widths, mode="edge")), beyond[0]
