"""Trains the network behind `simgan_jax.metrics.kid` and writes its weights.

    python -m experiments.kid_features [--quick]

Embedded eyes of both domains, each changed at random in tone, light, blur and noise; the network learns
to read the domain and how the picture was changed, and of the simulator's images gaze, head pose,
pupil, iris size and lid opening. No label of a camera's image is used: KID chooses checkpoints, and
that choice must know none. About 3 minutes on two CPU cores. Writes simgan_jax/metrics/kid.safetensors
(half precision) and result.json, the share of each label's variance that is explained on people who
were not trained on; --quick writes neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from safetensors.numpy import save_file

from experiments.flags import QUICK
from experiments.results import origin
from simgan_jax import command, data
from simgan_jax.estimators.augmentation import blur, light_gradient
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics.angles import pitch_yaw
from simgan_jax.metrics.kid import SIZE, WEIGHTS, FeatureNetwork
from simgan_jax.metrics.small_networks import adam, fit
from simgan_jax.ranges import to_unit

# The seed is that of the images too; configurations use others.
COUNT, STEPS, BATCH, SEED = 4000, 3000, 64, 1000
SIMULATOR_KNOWS = (
    *("pitch", "yaw", "head_pitch", "head_yaw"),
    *("pupil_x", "pupil_y", "iris", "opening"),
)
NAMES = (*SIMULATOR_KNOWS, "domain", "gamma", "gain", "light_x", "light_y", "blur", "noise")


class Reader(nn.Module):
    """The feature network and a linear layer that reads the labels off it."""

    @nn.compact
    def __call__(self, images):
        """Maps images in [-1, 1] to standardised labels."""
        return nn.Dense(len(NAMES))(FeatureNetwork(name="features")(images))


def load(split, count):
    """Images of both domains in turn, and their labels: of the camera's, NaN for all but the domain."""
    images, labels = [], []
    for is_camera, domain in enumerate(("simulator", "camera")):
        eyes = data.load(
            {"source": "procedural_eyes", "domain": domain, "split": split, "count": count}
            | {"seed": SEED, "height": SIZE[0], "width": SIZE[1]}
        )
        known = eyes.labels
        columns = [
            pitch_yaw(known["gaze"]),
            known["head_pose"],
            known["pupil"],
            known["iris_ellipse"][:, 2:3],
            np.ptp(known["lid"][..., 1], axis=1)[:, None],
            np.full((count, 1), is_camera),
        ]
        table = np.concatenate(columns, 1)
        table[:, : len(SIMULATOR_KNOWS)] *= np.nan if is_camera else 1
        images.append(eyes.images)
        labels.append(table)
    return np.concatenate(images), np.concatenate(labels).astype(np.float32)


def change(key, image):
    """A random change of one image, and its parameters."""
    keys = jax.random.split(key, 7)
    gamma, gain = jax.random.uniform(keys[0], (2,), minval=-1)
    slope = jax.random.uniform(keys[1], (2,), minval=-0.4, maxval=0.4)
    sigma = jax.random.uniform(keys[2], maxval=1.3)
    noise = jax.random.uniform(keys[3], maxval=0.12)
    image = 2 * ((image + 1) / 2 + 1e-6) ** (1.5**gamma) - 1
    image = (1 + 0.4 * gain) * image + light_gradient(slope, *image.shape[:2])
    image = blur(image, sigma) + noise * jax.random.normal(keys[4], image.shape)
    return image.clip(-1, 1), jnp.array([gamma, gain, *slope, sigma, noise])


@dataclass(frozen=True)
class ReaderObjective:
    """What the network learns; a batch is (images, labels), unknown labels are NaN.

    Attributes:
        reader: the network.
        mean: of the labels and of the change's parameters.
        std: the same.
    """

    reader: Reader
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def prepare(self, key, batch):
        """Changes the images; standardises their labels and those of the change."""
        images, labels = batch
        keys = jax.random.split(key, len(images))
        images, changes = jax.vmap(change)(keys, to_unit(images))
        known = jnp.concatenate([labels, changes], 1)
        return images, (known - jnp.array(self.mean)) / jnp.array(self.std)

    def loss(self, params, batch):
        """Mean square error of what is known."""
        images, targets = batch
        read = self.reader.apply({"params": params}, images)
        return jnp.square(jnp.where(jnp.isnan(targets), 0, read - targets)).mean()


def main(argv: Sequence[str]) -> None:
    """Trains, tests, writes."""
    del argv
    count, steps = (200, 10) if QUICK.value else (COUNT, STEPS)
    images, labels = load("train", count)
    key = jax.random.key(SEED)
    _, changes = jax.vmap(change)(jax.random.split(key, 1000), jnp.zeros((1000, *SIZE, 1)))
    mean = np.concatenate([np.nanmean(labels, 0), changes.mean(0)])
    std = np.concatenate([np.nanstd(labels, 0), changes.std(0)])
    reader = Reader()
    params = reader.init(key, jnp.zeros((1, *SIZE, 1)))["params"]
    objective = ReaderObjective(reader, tuple(mean.tolist()), tuple(std.tolist()))

    def batches():
        rng = np.random.default_rng(SEED)
        for i in range(steps):
            if i % 250 == 0:
                print(f"step {i} of {steps}", flush=True)
            rows = np.sort(rng.choice(len(images), BATCH, replace=False))
            yield images[rows], labels[rows]

    params = fit(objective, params, batches(), adam(2e-3, steps), key)
    held, held_labels = load("test", 500)
    changed, targets = jax.jit(objective.prepare)(key, (held, held_labels))
    residual = np.square(jax.jit(reader.apply)({"params": params}, changed) - targets)
    explained = 1 - np.nanmean(residual, 0) / np.nanvar(targets, 0)
    result = {"explained": {n: round(float(x), 3) for n, x in zip(NAMES, explained, strict=True)}}
    print(result)
    if QUICK.value:
        return
    result = origin("kid_features") | {"seed": SEED} | result
    write_json(Path(__file__).with_name("result.json"), result)

    network = {"params": params["features"]}
    sample = np.concatenate([images[:1000], images[-1000:]])
    found = jax.jit(FeatureNetwork().apply)(network, to_unit(sample))
    tree = network | {"mean": found.mean(0), "std": found.std(0) + 1e-3}
    flat = traverse_util.flatten_dict(jax.tree.map(np.asarray, tree), sep="/")
    save_file({name: x.astype(np.float16) for name, x in flat.items()}, WEIGHTS)


if __name__ == "__main__":
    command.run(main)
