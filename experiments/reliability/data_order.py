"""A run that is cut at any step sees the examples that an unbroken one sees, in the same order.

Images carry their number as their grey level; a step that trains nothing tells which it was given, in
the loop of training, once with resident sets, once with memory-mapped and once with streamed ones. Cut
after every step in turn, over three epochs and all three phases.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from configs import gaze
from experiments.reliability.outcome import Outcome
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.training import devices
from simgan_jax.training.loop import calls
from simgan_jax.training.phases import phases

EXAMPLES, BATCH, EPOCHS = 32, 8, 3
WAYS = ("resident", "memory-mapped", "streamed")


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Cuts a run `times` times, evenly over its steps and the ways to hold the data."""
    config = _config()
    setup = devices.distribute(make_setup(config))
    last = phases(config)[-1].last
    sets = _sets(scratch)
    state = jax.device_get(create_train_state(jax.random.key(config.seed), setup))
    cuts = [(way, step) for step in range(1, last) for way in WAYS]
    whole = {way: _told(config, setup, state, sets[way], way, 0) for way in WAYS}
    for way in WAYS[1:]:
        outcome.add(None if whole[way] == whole["resident"] else f"{way}: not as resident")
    rng.shuffle(cuts)
    for way, step in cuts[:times]:
        if outcome.over:
            break
        rest = _told(config, setup, state, sets[way], way, int(step))
        same = rest == {name: ids[int(step) :] for name, ids in whole[way].items()}
        outcome.add(None if same else f"{way}, cut after step {step}: other examples follow")
    outcome.notes["steps"] = last


def _config() -> ConfigDict:
    c = gaze.get_config("tiny")
    c.refiner.features, c.history.size, c.loss.weight.label = 2, 0, ""
    c.image.height = c.image.width = 24
    c.train.batch = BATCH
    per_epoch = EXAMPLES // BATCH
    c.train.pretrain_refiner = c.train.pretrain_discriminator = c.train.steps = EPOCHS * per_epoch
    return c


def _sets(scratch: Path) -> dict[str, dict[str, np.ndarray]]:
    """Both sets, for each way to hold them."""
    images = np.zeros((EXAMPLES, 24, 24, 1), np.uint8) + np.arange(
        EXAMPLES, dtype=np.uint8
    ).reshape(-1, 1, 1, 1)
    arrays = {"synthetic": images, "real": images + 100}
    for name, array in arrays.items():
        np.save(scratch / f"{name}.npy", array)
    mapped = {name: np.load(scratch / f"{name}.npy", mmap_mode="r") for name in arrays}
    return {"resident": arrays, "memory-mapped": mapped, "streamed": arrays}


def _told(
    config: ConfigDict,
    setup: Setup,
    state: TrainState,
    sets: dict[str, np.ndarray],
    way: str,
    done: int,
) -> dict[str, list]:
    """Which examples the steps after the first `done` were given, by step."""
    state = devices.place(state.replace(step=np.int32(done)), setup)
    resident = way == "resident"
    if resident:
        sets = devices.replicate(sets, setup)
    told: list = []
    for phase in phases(config):
        spying = phase._replace(step=_spy)
        for advance, _ in calls(spying, int(state.step), sets, setup, config, resident):
            state, seen = advance(state)
            ids = {name: np.asarray(x).ravel().tolist() for name, x in seen.items()}
            told.append(ids)
    return {"ids": told}


def _spy(state, batches, setup):
    """A step that changes nothing but the counter, and tells the grey levels of its images."""
    del setup
    seen = {
        f"{part}/{name}": images[:, :, 0, 0, 0].astype(jnp.float32)
        for part, batch in zip(("refiner", "discriminator"), batches, strict=True)
        for name, images in batch.items()
    }
    return state.replace(step=state.step + 1), seen
