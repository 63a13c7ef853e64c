"""Small refiners with random weights, images for them, and what they leave in a folder."""

import hashlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from configs import gaze
from simgan_jax import make_setup
from simgan_jax.models.refiner import Refiner
from simgan_jax.ranges import from_unit, to_unit
from simgan_jax.refinement import weights
from simgan_jax.refinement.refiner import Refine


def random_refine(seed=0, max_pixels=None, strength=1.0, **settings):
    """A small refiner with random weights, large enough to change an image a lot."""
    refiner = Refiner(**{"features": 4, "blocks": 1} | settings)
    inputs = [jnp.zeros((1, 8, 8, n)) for n in (refiner.channels, refiner.noise_channels) if n]
    shapes = jax.eval_shape(refiner.init, jax.random.key(0), *inputs)["params"]
    random = np.random.default_rng(seed)
    params = jax.tree.map(lambda x: random.normal(0, 0.3, x.shape).astype(np.float32), shapes)
    return Refine(refiner, params, max_pixels, strength=strength)


def make_run(folder, **refiner):
    """A file of random weights, which stands for a run."""
    config = gaze.get_config("tiny")
    config.refiner.features = 4
    config.refiner.update(refiner)
    network = make_setup(config).refiner
    inputs = [jnp.zeros((1, 8, 8, n)) for n in (1, network.noise_channels) if n]
    shapes = jax.eval_shape(network.init, jax.random.key(0), *inputs)["params"]
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda x: random.normal(0, 0.3, x.shape).astype(np.float32), shapes)
    weights.write(folder / "run.npz", config, params, step=7)
    return folder / "run.npz"


def random_images(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def tree(folder):
    """Checksums of all files by relative path."""
    files = [p for p in Path(folder).rglob("*") if p.is_file()]
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def at_once(refiner, images):
    """The refiner applied to all images together, without batches or windows."""
    apply = jax.jit(lambda x: refiner.refiner.apply({"params": refiner.params}, to_unit(x)))
    return np.asarray(from_unit(apply(images), images.dtype))
