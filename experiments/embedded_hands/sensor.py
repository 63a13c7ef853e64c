"""What the embedded depth sensor itself does to surfaces: the measure for what a refiner may do.

    python -m experiments.embedded_hands.sensor

Takes the simulator's images through the sensor and measures the shift of the surface above joints as
the report on a refiner does. Writes sensor.json beside this file.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from configs.hand import get_config
from experiments.flags import command_line
from simgan_jax import command, data
from simgan_jax.data.depth import measured_depth
from simgan_jax.data.procedural import depth_camera
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics.keypoints import surface_shift

COUNT, SEED = 1000, 0


def main(argv: Sequence[str]) -> None:
    """Measures and writes."""
    del argv
    hands = data.load(get_config().data.synthetic.to_dict() | {"count": COUNT})
    before = measured_depth(hands.images, hands.labels["centre_mm"])
    focal = hands.labels["px_per_mm"] * hands.labels["centre_mm"]
    depth = np.where(np.isfinite(before), before, np.inf).astype(np.float32)
    after = depth_camera.sense(np.random.default_rng(SEED), depth, focal)
    shift = surface_shift(before, after, hands.labels["joints_uvd"])
    result = {"command": command_line("embedded_hands.sensor"), "images": COUNT, "seed": SEED}
    result["surface_mm"] = shift
    write_json(Path(__file__).with_name("sensor.json"), result)
    print(json.dumps(shift, indent=2))


if __name__ == "__main__":
    command.run(main)
