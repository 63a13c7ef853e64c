"""Lambda: how realism and label shift depend on it, many settings side by side in one program.

    python -m experiments.lambda_sweep [--quick] [--full]

Lambda is a leaf of the state: states of several lambdas are one state with one more axis, and
`train_step` under `jax.vmap` trains them all on the same batches. A CPU gains nothing from that axis
(convolutions whose kernels differ become grouped ones, twice as slow as one after the other); there
the same program takes the settings of each device in turn, by `lax.map`.

"held" are runs with `config.loss.label_shift_target`, which move lambda during training so that the
iris shifts by that many pixels.

Embedded eyes, equalised as the camera's are; no label of the camera's images is read. Realism is KID,
label shift that of the iris, both on synthetic images that train nothing. "weighted" gives the iris the
weight of configs/gaze.py:pixels, "uniform" weighs all pixels the same, as the paper does. One GAN seed,
the same for all settings; shorter runs on smaller batches than that. Writes result.json, curve.png, and
samples.png: as rendered, a row a lambda, the camera's.
"""

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
from experiments.flags import QUICK, results_folder
from experiments.results import origin
from experiments.samples import write_samples
from experiments.sizes import FULL, size
from simgan_jax import command, data, load_refiner
from simgan_jax.evaluation.label_preservation import measure_shift, summarize_shift
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics.kid import features, kid
from simgan_jax.metrics.label_shift import LEAST_FOLLOWED
from simgan_jax.setup import make_setup
from simgan_jax.state import TrainState, create_train_state, refiner_params
from simgan_jax.steps import Batch
from simgan_jax.training import devices, logs, sampling
from simgan_jax.training.loop import select, train
from simgan_jax.training.phases import Phase, phases
from simgan_jax.training.probe import refine_probe

LAMBDAS = (0.05, 0.16, 0.5, 1.6, 5.0)
TARGETS = (0.15, 0.4)
PROBE, SHOWN = 300, 8
RUNS = Path("runs/experiments/lambda_sweep")


def config(inside: float, target: float = 0.0) -> ConfigDict:
    """The configuration for a weight of the iris and a label shift to hold."""
    c = get_config("pixels")
    c.data.synthetic.equalized = True
    c.loss.weight.inside = inside
    c.loss.label_shift_target = target
    if not FULL.value:
        c.train.update(batch=8, steps=300, pretrain_refiner=50, pretrain_discriminator=50, ema=0.98)
        c.history.size = 256
        c.watch.update(sample_every=10, checkpoint_every=1000)
    if QUICK.value:
        c.refiner.features = 8
        c.train.update(steps=20, pretrain_refiner=10, pretrain_discriminator=5)
    return c


def train_all(c: ConfigDict, lambdas: Sequence[float], sets: Batch) -> list[TrainState]:
    """Trains a state for every lambda, all from the same start and on the same batches."""
    setup = make_setup(c)
    state = create_train_state(jax.random.key(c.seed), setup)
    used = jax.local_devices()[: np.gcd(len(lambdas), jax.local_device_count())]
    shape = (len(used), len(lambdas) // len(used))
    states = jax.tree.map(lambda x: jnp.broadcast_to(x, (*shape, *x.shape)), state)
    states = states.replace(self_regularization=jnp.float32(lambdas).reshape(shape))
    for phase in phases(c):
        program = jax.pmap(side_by_side(phase, setup), in_axes=(0, None), devices=used)
        for step in range(phase.first, phase.last):
            states = program(states, sets)
            if step % 50 == 0:
                logging.info("%s, step %d of %d", phase.name, step, c.train.steps)
    flat = jax.tree.map(lambda x: jnp.reshape(x, (-1, *x.shape[2:])), states)
    return [jax.tree.map(lambda x, i=i: x[i], flat) for i in range(len(lambdas))]


def side_by_side(phase: Phase, setup: Any) -> Callable[[TrainState, Batch], TrainState]:
    """One step of every state: (states with one more axis, whole sets) -> states."""

    def all_states(states, sets):
        sizes = jax.tree.map(len, sets)

        def one(state):
            rows = sampling.sample(state.key, state.step, sizes, phase.updates, setup)
            batches = sampling.take(sets, jax.tree.map(lambda row: row[0], rows))
            return phase.step(state, batches, setup)[0]

        if jax.default_backend() == "cpu":
            return lax.map(one, states)
        return jax.vmap(one)(states)

    return all_states


def main(argv: Sequence[str]) -> None:
    """Runs the experiment."""
    del argv
    here = results_folder(Path(__file__).parent)
    weights = {"weighted": get_config("pixels").loss.weight.inside, "uniform": 1.0}
    devices.cores_as_devices(make_setup(config(inside=1.0)))
    curves: dict[str, list[dict[str, float]]] = {}
    pictures = []
    c = config(inside=1.0)
    real_features = features(data.load(c.data.real).images[: 2 * PROBE])
    probe = data.load(c.data.synthetic)[-PROBE:]

    def judge(weight: float, refined: np.ndarray) -> dict[str, float]:
        shift = summarize_shift(measure_shift(probe, refined), probe)
        point = {"lambda": weight, "kid": kid(features(refined), real_features)["value"]}
        return (
            point
            | {f"label_shift_{key}": shift[key] for key in ("mean", "std", "dx", "dy")}
            | {"followed": shift["followed"]}
        )

    for name, inside in weights.items():
        c = config(inside)
        setup = make_setup(c)
        synthetic, real = data.load(c.data.synthetic), data.load(c.data.real)
        states = train_all(c, LAMBDAS, select(c, synthetic[:-PROBE], real))
        curves[name] = []
        for weight, state in zip(LAMBDAS, states, strict=True):
            refined = np.asarray(refine_probe(refiner_params(state), probe.images, setup=setup))
            curves[name].append(judge(weight, refined))
            logging.info("%s %s", name, curves[name][-1])
            if name == "weighted":
                pictures.append(refined[:SHOWN])
    curves["held"] = []
    for target in TARGETS:
        c = config(weights["weighted"], target)
        c.data.synthetic.count -= PROBE
        workdir = RUNS / size() / f"{target}"
        if not train(c, workdir):
            raise KeyboardInterrupt
        rows = [row for row in logs.read(workdir / logs.FILE) if "samples/lambda" in row]
        point = judge(rows[-1]["samples/lambda"], load_refiner(workdir)(probe.images))
        curves["held"].append({"target": target} | point)
        logging.info("held %s", curves["held"][-1])
    unrefined = kid(features(probe.images), real_features)["value"]
    result = {"seeds": 1, "kid_of_synthetic": unrefined, "curves": curves}
    write_json(here / "result.json", origin("lambda_sweep") | result)
    write_samples(here, [probe.images[:SHOWN], *pictures, real.images[:SHOWN]])
    draw(curves, unrefined).savefig(here / "curve.png", dpi=120)


def draw(curves: dict[str, list[dict[str, float]]], unrefined: float) -> Figure:
    """Realism against label shift, a point a lambda; crossed out where content is lost."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        x, y = [p["label_shift_mean"] for p in points], [p["kid"] for p in points]
        held = name == "held"
        label = "label shift held" if held else f"{name} self-regularisation"
        axes.plot(x, y, "k*" if held else "o-", label=label)
        lost = [p for p in points if p.get("followed", 1.0) < LEAST_FOLLOWED]
        x, y = [p["label_shift_mean"] for p in lost], [p["kid"] for p in lost]
        axes.plot(x, y, "rx", markersize=12)
        for p in points:
            text = f"target {p['target']:g}" if held else f"{p['lambda']:.3g}"
            at = (p["label_shift_mean"], p["kid"])
            axes.annotate(text, at, xytext=(4, 4), textcoords="offset points")
    axes.axhline(unrefined, linestyle=":", color="grey", label="not refined")
    axes.set(xlabel="label shift, px", ylabel="KID to real images", yscale="log")
    axes.set_title("lambda, beside each point; red cross: content lost, label shift unknown")
    axes.legend()
    return figure


if __name__ == "__main__":
    command.run(main)
