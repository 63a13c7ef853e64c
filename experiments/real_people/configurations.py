"""The configurations of the variants, and how the people whom they render differ."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from configs.gaze import get_config
from experiments.photographs import photographs
from experiments.sizes import SCHEDULE

# Degrees; mm at 1.6 px/mm. From the set's description alone.
DESCRIBED = {
    "pitch": {"std": None, "low": -13.0, "high": 13.0},
    "yaw": {"std": None, "low": -18.0, "high": 18.0},
    "head_pitch": {"follow": 0.0, "std": 4.0},
    "head_yaw": {"follow": 0.0, "mean": (-15.0, 0.0, 15.0), "std": 2.0},
    "person_shift_x": {"mean": -0.9},
    "person_shift_y": {"mean": 0.5},
}
# The photographs have 1.6 px/mm, and irises of 11.7 mm as they are seen.
SCALE = {
    "distance": {"mean": 654.5, "std": 20.0, "low": 500.0, "high": 850.0},
    "iris_radius": {"mean": 5.47, "low": 5.1, "high": 5.85},
}
VARIED = SCALE | {
    "distance": {"mean": 640.0, "std": 45.0, "low": 500.0, "high": 850.0},
    "person_shift_x": {"mean": -0.6, "std": 1.5},
    "person_shift_y": {"mean": 1.2, "std": 1.3},
    "eyeball_up": {"mean": 2.6, "std": 0.9},
    "upper_lid": {"mean": 6.0, "std": 1.3, "low": 2.5, "high": 9.5},
    "lower_lid": {"mean": 3.7, "std": 1.0, "low": 1.2, "high": 6.5},
    "half_width": {"std": 1.6, "low": 11.0, "high": 19.0},
}
ROWS = tuple(
    f"{base}{suffix}"
    for base in ("synthetic", "matched", "fda", "refined", "refined_matched", "real")
    for suffix in ("", "_augmented")
)


def config(described: bool, estimator: bool) -> ConfigDict:
    """The configuration of a variant.

    Raises:
        UserError: the data are not there.
    """
    (folder,) = photographs("columbia")
    c = get_config("pixels")
    c.name = "real_people"
    c.image.height, c.image.width = 36, 60
    c.data.synthetic.count = 26000
    if described:
        c.data.synthetic.distributions = ConfigDict(DESCRIBED)
    people = {"source": "table", "height": 36, "width": 60, "channels": 1}
    c.data.real = ConfigDict(people | {"path": str(folder / "unlabelled.csv")})
    c.data.test = ConfigDict(people | {"path": str(folder / "test.csv")})
    c.loss.weight = ConfigDict({"label": "eye_mask", "outside": 1.0, "inside": 6.0})
    c.loss.psi = "estimator" if estimator else "identity"
    # 80,000 samples of 24,000 images: estimators must have learned their own domain before they are
    # compared.
    c.evaluate.quick.update(images=24000, probe=500, estimator_steps=5000)
    c.evaluate.estimator.update(batch=16, micro_batch=16, looks=6)
    c.loss.reading.update(weight=40.0, images=24000, steps=5000)
    c.train.steps = 600
    c.watch.update(log_every=50, sample_every=200, checkpoint_every=200)
    return c


def varied() -> ConfigDict:
    """The configuration of the variant "varied"."""
    c = config(described=True, estimator=True)
    c.data.synthetic.distributions = ConfigDict(changed(DESCRIBED, VARIED))
    # As many images as in 600 iterations of 2 + 1 batches of 32, in eight times as many updates.
    c.train.update(batch=4, micro_batch=0, refiner_updates=1, discriminator_updates=1, steps=8800)
    c.train.update(pretrain_refiner=800, pretrain_discriminator=400, ema=0.998)
    for network in ("refiner", "discriminator"):
        c.optimizer[network].learning_rate = 2e-4
    c.watch.update(log_every=200, sample_every=1000, checkpoint_every=1000)
    return c


def matched_first() -> ConfigDict:
    """The configuration of the variant "matched_first"."""
    people, c = varied(), get_config()
    for name in ("synthetic", "real", "test"):
        c.data[name] = people.data[name]
    c.name, c.image, c.evaluate = people.name, people.image, people.evaluate
    c.loss.reading.update(images=24000, steps=5000)
    return c


def paper_size() -> ConfigDict:
    """The configuration of the variant "paper_size"."""
    c, whole = matched_first(), get_config("paper")
    c.refiner.features, c.history.size = whole.refiner.features, whole.history.size
    schedule = {name: whole.train[name] for name in SCHEDULE}
    c.train.update(schedule | {"batch": c.train.batch, "steps": 2300})
    c.watch.update(sample_every=500, checkpoint_every=500)
    return c


def changed(
    spread: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """How labels and shapes are spread, some of it otherwise."""
    names = [*spread, *(name for name in changes if name not in spread)]
    return {name: {**spread.get(name, {}), **changes.get(name, {})} for name in names}
