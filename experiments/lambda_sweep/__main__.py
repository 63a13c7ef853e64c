"""Lambda: how realism and label shift depend on it, many settings side by side in one program.

    python -m experiments.lambda_sweep [--quick] [--full]

Lambda is a leaf of the state: states of several lambdas are one state with one more axis, and
`train_step` under `jax.vmap` trains them all on the same batches. A CPU gains nothing from that axis
(convolutions whose kernels differ become grouped ones, twice as slow as one after the other); there
the same program takes the settings of each device in turn, by `lax.map`.

Embedded eyes; no label of the camera's images is read. Realism is KID, label shift that of the iris,
both on synthetic images that train nothing. "weighted" gives the iris the weight of configs/gaze.py,
"uniform" weighs all pixels the same, as the paper does. One GAN seed; the same for all settings.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax import lax
from matplotlib.figure import Figure
from ml_collections import ConfigDict

from configs.gaze import get_config
from experiments.flags import QUICK
from experiments.machine import machine
from experiments.protocol import FULL
from simgan_jax import command, data, evaluate, images, parallel
from simgan_jax.image_files import write_image
from simgan_jax.metrics.kid import features, kid
from simgan_jax.setup import make_setup
from simgan_jax.state import TrainState, create_train_state, refiner_params
from simgan_jax.steps import Batch
from simgan_jax.train import Phase, phases, select
from simgan_jax.watch import refine_probe

LAMBDAS = tuple(float(x) for x in np.geomspace(0.0625, 8, 8))
PROBE, SHOWN = 300, 8


def config(inside: float) -> ConfigDict:
    """The configuration for a weight of the iris, small enough for eight runs at a time."""
    c = get_config()
    c.loss.weight.inside = inside
    if not FULL.value:
        c.refiner.update(features=16, blocks=2)
        c.train.update(
            batch=16, steps=200, pretrain_refiner=50, pretrain_discriminator=30, ema=0.98
        )
        c.history.size = 256
    if QUICK.value:
        c.refiner.features = 8
        c.train.update(steps=20, pretrain_refiner=10, pretrain_discriminator=5)
    return c


def train(c: ConfigDict, lambdas: Sequence[float], sets: Batch) -> list[TrainState]:
    """Trains a state for every lambda, all from the same start and on the same batches."""
    setup = make_setup(c)
    state = create_train_state(jax.random.key(c.seed), setup)
    devices = jax.local_devices()[: np.gcd(len(lambdas), jax.local_device_count())]
    shape = (len(devices), len(lambdas) // len(devices))
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (*shape, *x.shape)), state)
    states = states.replace(self_regularization=jnp.float32(lambdas).reshape(shape))
    for phase in phases(c):
        program = jax.pmap(side_by_side(phase, setup), in_axes=(0, None), devices=devices)
        for step in range(phase.first, phase.last):
            states = program(states, sets)
            if step % 50 == 0:
                logging.info("%s, step %d of %d", phase.name, step, c.train.steps)
    flat = jax.tree.map(lambda x: jnp.reshape(x, (-1, *x.shape[2:])), states)
    return [jax.tree.map(lambda x, i=i: x[i], flat) for i in range(len(lambdas))]


def side_by_side(phase: Phase, setup: Any) -> Callable[[TrainState, Batch], TrainState]:
    """One step of every state: (states with one more axis, whole sets) -> states."""

    def all_states(states, sets):
        sizes = {name: len(sets[name]) for name in phase.lead}

        def one(state):
            rows = parallel.sample(state.key, state.step, sizes, phase.lead, setup)
            batch = parallel.take(sets, {name: row[0] for name, row in rows.items()})
            return phase.step(state, batch, setup)[0]

        if jax.default_backend() == "cpu":
            return lax.map(one, states)
        return jax.vmap(one)(states)

    return all_states


def main(argv: Sequence[str]) -> None:
    """Runs the experiment."""
    del argv
    here = Path(__file__).parent
    weights = {"weighted": get_config().loss.weight.inside, "uniform": 1.0}
    parallel.cores_as_devices()
    curves: dict[str, list[dict[str, float]]] = {}
    pictures = []
    for name, inside in weights.items():
        c = config(inside)
        synthetic, real = data.load(c.data.synthetic), data.load(c.data.real)
        probe = synthetic[-PROBE:]
        states = train(c, LAMBDAS, select(c, synthetic[:-PROBE], real))
        refine = parallel.compile(refine_probe, static_argnames="setup")
        real_features = features(real.images[: 2 * PROBE])
        curves[name] = []
        for weight, state in zip(LAMBDAS, states, strict=True):
            refined = np.asarray(refine(refiner_params(state), probe.images, make_setup(c)))
            shift = evaluate.summarize_shift(evaluate.measure_shift(probe, refined), probe)
            point = {"lambda": weight, "kid": kid(features(refined), real_features)["value"]}
            point |= {f"label_shift_{key}": shift[key] for key in ("mean", "std", "dx", "dy")}
            curves[name].append(point)
            logging.info("%s %s", name, point)
            if name == "weighted":
                pictures.append(refined[:SHOWN])
    unrefined = kid(features(probe.images), real_features)["value"]
    flag = "".join(f" --{f.name}" for f in (QUICK, FULL) if f.value)
    result = {
        "command": f"python -m experiments.lambda_sweep{flag}",
        "machine": machine(),
        "seeds": 1,
        "kid_of_synthetic": unrefined,
        "curves": curves,
    }
    (here / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    rows = [probe.images[:SHOWN], *pictures, real.images[:SHOWN]]
    write_image(here / "samples.png", images.grid(np.stack(rows), scale=2))
    draw(curves, unrefined).savefig(here / "curve.png", dpi=120)


def draw(curves: dict[str, list[dict[str, float]]], unrefined: float) -> Figure:
    """Realism against label shift, a point a lambda."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        x, y = [p["label_shift_mean"] for p in points], [p["kid"] for p in points]
        axes.plot(x, y, "o-", label=f"{name} self-regularisation")
        for p in points:
            at = (p["label_shift_mean"], p["kid"])
            axes.annotate(f"{p['lambda']:.3g}", at, xytext=(4, 4), textcoords="offset points")
    axes.axhline(unrefined, linestyle=":", color="grey", label="not refined")
    axes.set(xlabel="label shift, px", ylabel="KID to real images", yscale="log")
    axes.set_title("lambda, beside each point")
    axes.legend()
    return figure


if __name__ == "__main__":
    command.run(main)
