"""A few files as the UnityEyes simulator writes them, to prepare: noise with an eye's landmarks."""

from pathlib import Path

import numpy as np
from PIL import Image

from simgan_jax.io.atomic import write_json

SIZE = (640, 480)
# Half width and half height of lid and iris, and of the caruncle beside them, in pixels.
LID, IRIS, CARUNCLE = (110, 40), (30, 30), (6, 4)


def write_unity_files(folder: Path, count: int) -> Path:
    """Writes `1.jpg`, `1.json` ... and returns their folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(1, count + 1):
        pixels = rng.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(SIZE).save(folder / f"{number}.jpg")
        details = {
            "interior_margin_2d": _outline(16, 320, LID),
            "iris_2d": _outline(32, 320 + number, IRIS),
            "caruncle_2d": _outline(7, 320 - LID[0], CARUNCLE),
            "eye_details": {"look_vec": f"({0.01 * number:.4f}, 0.0000, -1.0000, 0.0000)"},
            "head_pose": "(0.0000, 180.0000, 0.0000)",
        }
        write_json(folder / f"{number}.json", details)
    return folder


def _outline(count: int, x: float, half: tuple[int, int]) -> list[str]:
    """Points of an ellipse at half the height, from the left over the top."""
    turn = np.pi - np.linspace(0, 2 * np.pi, count, endpoint=False)
    across, up = x + half[0] * np.cos(turn), SIZE[1] / 2 + half[1] * np.sin(turn)
    return [f"({a:.4f}, {b:.4f}, 60.0000)" for a, b in zip(across, up, strict=True)]
