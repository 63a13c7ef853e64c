"""How far irises of real people move for a gaze that their labels say, beside an eyeball's.

    SIMGAN_DATA=... python -m experiments.real_people.travel

Two photographs of one person with the head turned alike, whose labels differ by 10 degrees of pitch, or
by 5 or 10 of yaw: the iris of one is found again in the other, by the registration that measures the
label shift of a refiner. The same of renderings of one person and head at the photographs' scale, where
the true motion is known. It describes, with labels of people 1-36; nothing is chosen by it.
Writes travel.json.
"""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from experiments.flags import QUICK, results_folder
from experiments.photographs import photographs
from experiments.real_people.error_parts import POSE, column
from experiments.results import origin
from simgan_jax import command, data
from simgan_jax.data import Arrays
from simgan_jax.data.procedural import eyes
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics import angles, label_shift
from simgan_jax.metrics.darkest_disc import darkest_disc
from simgan_jax.ranges import to_unit

HERE = Path(__file__).parent
HEIGHT, WIDTH = 36, 60
# (pitch, yaw), degrees.
TURNS = ((10, 0), (-10, 0), (0, 5), (0, -5), (0, 10), (0, -10))
RADIUS = 8  # px of the window, a little less than an iris's 9.4
# 1.6 px/mm at a width of 60 px, where the simulator has it at 55.
FRONTAL = {
    "distance": {"mean": 654.5, "std": 0.0},
    "head_pitch": {"follow": 0.0, "mean": 0.0, "std": 0.0},
    "head_yaw": {"follow": 0.0, "mean": 0.0, "std": 0.0},
}


def main(argv: Sequence[str]) -> None:
    """Measures both, writes them down."""
    del argv
    (folder,) = photographs("columbia")
    count = 32 if QUICK.value else 320
    found: dict[str, Any] = {}
    for turn in TURNS:
        before, after = pairs_of(folder, turn)
        straight, turned = (rendered(count, to) for to in ((0, 0), turn))
        true = turned.labels["iris_ellipse"] - straight.labels["iris_ellipse"]
        found[f"pitch {turn[0]:+d}, yaw {turn[1]:+d}"] = {
            "people": motion(before, after),
            "renderings": motion(straight.images, turned.images),
            "true": np.median(true[:, :2], axis=0).tolist(),
            "pairs": len(before),
        }
    about = origin("real_people.travel") | {"unit": "px, x to the right and y down", "turns": found}
    write_json(results_folder(HERE) / "travel.json", about)
    print(json.dumps(found, indent=2))


def pairs_of(
    folder: Path, turn: tuple[int, int]
) -> tuple[Shaped[np.ndarray, "n h w 1"], Shaped[np.ndarray, "n h w 1"]]:
    """All pairs of one person and head pose whose labels differ by a turn."""
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for name in ("unlabelled.csv", "choice.csv"):
        path = str(folder / name)
        people = data.load(
            {"source": "table", "path": path, "height": HEIGHT, "width": WIDTH, "channels": 1}
        )
        labels = np.degrees(angles.pitch_yaw(people.labels["gaze"]))
        asked = (5 * np.round(labels / 5)).astype(int)
        keys = list(
            zip(
                people.labels["participant"],
                column(path, POSE),
                column(path, "mirrored"),
                strict=True,
            )
        )
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for _, rows in groupby(order, keys.__getitem__):
            group = {tuple(asked[row]): people.images[row] for row in rows}
            for (pitch, yaw), image in group.items():
                other = group.get((pitch + turn[0], yaw + turn[1]))
                if other is not None:
                    pairs.append((image, other))
    before, after = zip(*pairs, strict=True)
    return np.stack(before), np.stack(after)


def rendered(count: int, turn: tuple[int, int]) -> Arrays:
    """People who look straight ahead, or turn their eyes; the same ones every time."""
    gaze = {
        name: {"mean": float(angle), "std": 0.0, "low": -20.0, "high": 20.0}
        for name, angle in zip(("pitch", "yaw"), turn, strict=True)
    }
    return eyes.load(count=count, height=HEIGHT, width=WIDTH, distributions=FRONTAL | gaze)


def motion(
    before: Shaped[np.ndarray, "n h w 1"], after: Shaped[np.ndarray, "n h w 1"]
) -> list[float]:
    """Median motion (x, y) of the irises that are found again, px."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = darkest_disc(before).T[..., None, None]
    window = (np.hypot(columns - x, rows - y) < RADIUS).astype(np.float32)
    shift = label_shift.measure(to_unit(before), to_unit(after), window)
    followed = np.asarray(shift.fit) >= label_shift.FIT
    return np.median(np.asarray(shift.xy)[followed], axis=0).tolist()


if __name__ == "__main__":
    command.run(main)
