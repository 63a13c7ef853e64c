"""Embedded eyes as files of the UnityEyes simulator: `N.jpg` and `N.json`.

What reads UnityEyes is tested on these.

UnityEyes' conventions, as its own files show them: every value is a string; points are "(x, y, z)",
pixels from the bottom-left corner of the picture and centimetres from the camera; `look_vec` is the
gaze in the camera frame with y up; `head_pose` holds Euler angles in degrees of the camera in a world
(left-handed, y up) where the face looks along +z, so that a yaw of 180 is face to face.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from simgan_jax.data.procedural import camera
from simgan_jax.data.procedural import eye_geometry as geometry
from simgan_jax.data.procedural.eye_geometry import Pose, View
from simgan_jax.data.procedural.eye_look import Look
from simgan_jax.data.procedural.eye_render import render
from simgan_jax.data.procedural.eye_scene import draw_scene
from simgan_jax.data.procedural.eyes import cast
from simgan_jax.data.procedural.face_geometry import face_to_camera, lid_points
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics.angles import pitch_yaw

# 6 px/mm: 224 px are as wide as MPIIGaze's 60 px, 37.5 mm.
VIEW = View(height=480, width=640, focal=geometry.FOCAL * 224 / 60)
BLOCK = 4


def head_pose_to_unity(head: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 2"]:
    """(pitch, yaw) in degrees in [0, 360) as UnityEyes writes them, from head-to-camera rotations.

    In the frame of the camera with y up, the face looks along
    (-sin yaw, sin pitch cos yaw, cos pitch cos yaw): a yaw above 180 turns it to image right, a pitch
    below 360 turns it up.
    """
    x, y, z = np.moveaxis(-head[:, :, 2], -1, 0)
    pitch, yaw = np.degrees([np.arctan2(y, -z), np.arcsin(x.clip(-1, 1))])
    return np.stack([pitch % 360, yaw + 180], axis=-1)


def export_unity_eyes(directory: str | Path, count: int, seed: int = 0) -> None:
    """Writes `1.jpg`, `1.json` ... of 640x480 colour pictures of the simulator's training cast.

    Args:
        directory: made if it does not exist; files of the same names are replaced.
        count: number of pictures.
        seed: of persons, poses and light.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    people = cast("simulator", "train")
    for start in range(0, count, BLOCK):
        rng = np.random.default_rng([seed, start // BLOCK])
        who = rng.integers(len(people["upper"]), size=BLOCK)
        person = {name: value[who] for name, value in people.items()}
        pose, look, labels = draw_scene(rng, person, "simulator")
        light, _ = render(pose, look, VIEW, 3, rng)
        images, details = camera.tone_map(light), _details(pose, look, labels["gaze"])
        for i in range(min(BLOCK, count - start)):
            name = directory / str(start + i + 1)
            Image.fromarray(images[i]).save(name.with_suffix(".jpg"), quality=95)
            write_json(name.with_suffix(".json"), details[i])


def _details(pose: Pose, look: Look, gaze: Float[np.ndarray, "n 3"]) -> list[dict]:
    """The contents of the JSON files."""

    def text(*values: float) -> str:
        return "(" + ", ".join(f"{v:.4f}" for v in values) + ")"

    def points(dx, dy, z) -> list[list[str]]:
        at = VIEW.project(dx, dy) + 0.5  # from the picture's corner, not from a pixel's centre
        at[..., 1] = VIEW.height - at[..., 1]
        return [
            [text(*p, d / 10) for p, d in zip(*eye, strict=True)] for eye in zip(at, z, strict=True)
        ]

    def on_face(points_3d) -> list[list[str]]:
        x, y, z = np.moveaxis(points_3d, -1, 0)
        return points(x / z, y / z, z)

    # From image left over the top, as in the original.
    turn = (16 + np.arange(32)) % 32
    iris = [ray[:, turn] for ray in geometry.see_circle(look.iris_radius, pose)]
    plane = (pose.eyeball + geometry.IRIS_PLANE * pose.axis)[:, 2]
    iris = points(*iris, np.broadcast_to(plane[:, None], iris[0].shape))
    around = np.linspace(0, 2 * np.pi, 7, endpoint=False, dtype=np.float32)
    caruncle = on_face(
        face_to_camera(
            1.2 * np.cos(around) - pose.half_width[:, None] + 1.5,
            0.8 * np.sin(around) + pose.tilt[:, None],
            pose,
        )
    )
    lid = on_face(lid_points(pose))
    head = head_pose_to_unity(pose.head)
    return [
        {
            "interior_margin_2d": lid[i],
            "caruncle_2d": caruncle[i],
            "iris_2d": iris[i],
            "eye_details": {
                "look_vec": text(gaze[i, 0], -gaze[i, 1], gaze[i, 2], 0),
                "pupil_size": f"{look.pupil_radius[i] / look.iris_radius[i]:.7f}",
                "iris_size": f"{look.iris_radius[i] / 6:.7f}",
                "iris_texture": "procedural",
            },
            "lighting_details": {
                "skybox_texture": "none",
                "skybox_exposure": "1.0",
                "skybox_rotation": "0",
                "ambient_intensity": f"{look.ambient[i]:.7f}",
                "light_rotation": text(*np.degrees(pitch_yaw(look.light[i])), 0),
                "light_intensity": f"{look.key[i]:.7f}",
            },
            "eye_region_details": {
                "pca_shape_coeffs": ["0.0"] * 20,
                "primary_skin_texture": "procedural",
            },
            "head_pose": text(*head[i], 0),
        }
        for i in range(len(gaze))
    ]
