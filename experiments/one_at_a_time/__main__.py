"""One change at a time: what history, local loss and the other choices do to realism, labels and gaze.

    python -m experiments.one_at_a_time [--quick] [--full] [--seeds=3] [--variants=base,global]

Embedded eyes, equalised as the camera's are; each variant is one change of "base":

    base            configs/gaze.py:pixels with smaller batches and fewer steps, for three minutes a run
    no history      the discriminator sees new refined images alone (the paper's ablation)
    global          one adversarial loss an image instead of one a patch (the paper's ablation)
    no weights      self-regularisation weighs all pixels the same (the paper's)
    derivatives     psi: image derivatives instead of the image
    noise           a map of noise beside the image
    one update      K_g = 1
    slow discriminator
                    its learning rate a fifth
    no average      the refiner's last parameters instead of their moving average
    least squares   instead of the cross-entropy
    raw             grey values as rendered: a wider gap
    raw no history  the same without a history
    raw global      the same with one adversarial loss an image
    raw long, raw long no history
                    five times as many adversarial iterations: time for a discriminator to forget

Judges, after the last step: KID, a fresh patch discriminator and the shift of the iris, on synthetic
images that train nothing; and the angular error, on the camera's test people, of an estimator that has
been trained on refined images as in embedded_eyes, whose figures of estimators trained on renderings
these compare with. Nothing is chosen by any of them. Puts the variants into result.json, with what each
differs from its base by, seed by seed ("base", and of raw variants "raw" or "raw long"), and draws
samples.png (the first one's renderings, a row a variant, the camera's). --full has the sizes of
configs/gaze.py:pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from configs.gaze import get_config
from experiments.finished_run import open_run
from experiments.flags import QUICK, RUNS, require_known, results_folder
from experiments.gan_seeds import SEED, gan_seeds
from experiments.one_at_a_time.compare import compare, lost
from experiments.protocol import VARIANTS
from experiments.results import origin, stored
from experiments.samples import write_samples
from experiments.sizes import FULL, size
from simgan_jax import command, data, load_refiner
from simgan_jax.evaluation.label_preservation import measure_shift, summarize_shift
from simgan_jax.evaluation.plan import make_plan
from simgan_jax.evaluation.realism import measure_realism
from simgan_jax.io.atomic import read_json, write_json
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, provenance
from simgan_jax.training.loop import train

CHANGES: dict[str, dict[str, Any]] = {
    "base": {},
    "no history": {"history.size": 0},
    "global": {"loss.local": False},
    "no weights": {"loss.weight.label": ""},
    "derivatives": {"loss.psi": "derivatives"},
    "noise": {"refiner.noise_channels": 1},
    "one update": {"train.refiner_updates": 1},
    "slow discriminator": {"optimizer.discriminator.learning_rate": 1e-4},
    "no average": {"train.ema": 0.0},
    "least squares": {"loss.adversarial": "least_squares"},
    "raw": {"data.synthetic.equalized": False},
    "raw no history": {"data.synthetic.equalized": False, "history.size": 0},
    "raw global": {"data.synthetic.equalized": False, "loss.local": False},
    "raw long": {"data.synthetic.equalized": False},
    "raw long no history": {"data.synthetic.equalized": False, "history.size": 0},
}
HERE = Path(__file__).parent
PROBE, SHOWN = 500, 10


def config(variant: str, seed: int) -> ConfigDict:
    """The configuration of a variant; its synthetic images leave out the last `PROBE`."""
    c = get_config("pixels")
    c.seed = seed
    c.data.synthetic.equalized = True
    c.data.synthetic.count -= PROBE
    if not FULL.value:
        c.train.update(batch=8, steps=300, pretrain_refiner=50, pretrain_discriminator=50, ema=0.98)
        c.history.size = 256
        c.watch.update(sample_every=1000, checkpoint_every=1000)
    if QUICK.value:
        c.train.update(steps=10, pretrain_refiner=5, pretrain_discriminator=5)
        c.evaluate.quick.update(images=600, estimator_steps=40)
    if "long" in variant:
        c.train.steps *= 5
    c.update_from_flattened_dict(CHANGES[variant])
    return c


def main(argv: Sequence[str]) -> None:
    """Runs the experiment."""
    del argv
    require_known(VARIANTS, CHANGES)
    names = VARIANTS.value or list(CHANGES)
    seeds, runs = gan_seeds(), RUNS / "one_at_a_time" / size()
    devices.cores_as_devices(*(make_setup(config(name, 0)) for name in names))
    probes = {name: load_probe(config(name, 0)) for name in names}
    real = data.load(config("base", 0).data.real).images
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    pictures = {}
    for seed in seeds:
        for name in names:
            c = config(name, seed)
            workdir = runs / f"{name}-{seed}"
            provenance.claim(workdir, c)
            file = workdir / "judged.json"
            if not file.exists():
                if not train(c, workdir):
                    raise KeyboardInterrupt
                refined = load_refiner(workdir)(probes[name].images)
                judged = judge(c, probes[name], refined, real)
                write_json(file, judged | {"angular error": angular_error(workdir)})
            found[name].append(read_json(file))
            if not seed:
                pictures[name] = load_refiner(workdir)(probes[name].images[:SHOWN])
            print(name, seed, found[name][-1], flush=True)
    if SEED.value is not None:
        return
    here = results_folder(HERE)
    record = here / "result.json"
    result = {"runs": {}, "variants": {}} | stored(record)
    about = origin("one_at_a_time") | {"seeds": len(seeds)}
    for name in names:
        result["variants"][name] = found[name]
        result["runs"][name] = about
    result["comparisons"] = compare(result["variants"])
    write_json(record, result)
    write_samples(here, [probes[names[0]].images[:SHOWN], *pictures.values(), real[:SHOWN]])
    show(found)


def load_probe(c: ConfigDict) -> data.Arrays:
    """The images after those that train."""
    spec = c.data.synthetic.to_dict()
    return data.load(spec | {"count": spec["count"] + PROBE})[-PROBE:]


def judge(c: ConfigDict, probe: data.Arrays, refined: np.ndarray, real: np.ndarray) -> dict:
    """The figures of one run."""
    plan = make_plan(c.evaluate, "quick")
    network = make_setup(c).discriminator
    realism = measure_realism(plan, probe.images, refined, real, network, c.seed)
    shift = summarize_shift(measure_shift(probe, refined), probe)
    return {
        "kid": realism["kid"],
        "kid of rendered": realism["kid_synthetic"],
        "fresh discriminator": realism["discriminator_accuracy"]["refined"],
        "on rendered": realism["discriminator_accuracy"]["synthetic"],
        "label shift": shift["mean"],
        "followed": shift["followed"],
        "drift x": shift["dx"],
        "drift y": shift["dy"],
    }


def angular_error(workdir: Path) -> float:
    """Mean error in degrees, on the camera's test people, of an estimator trained on refined images."""
    run = open_run(workdir, ["refined"])
    return run.test(run.train())["refined"]["error"]


def show(found: dict[str, list[dict[str, float]]]) -> None:
    """Prints mean and standard deviation over seeds, a row a variant."""
    table = Table(title="mean ± standard deviation over GAN seeds")
    measures = next(iter(found.values()))[0]
    for heading in ("variant", *measures):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for name, runs in found.items():
        cells = []
        for measure in measures:
            values = np.array(
                [run.get(measure) for run in runs], float
            )  # null, unknown, becomes NaN
            spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
            mark = " (lost)" if measure == "label shift" and any(map(lost, runs)) else ""
            cells.append(f"{values.mean():.2f}{spread}{mark}")
        table.add_row(name, *cells)
    Console(highlight=False, width=140).print(table)


if __name__ == "__main__":
    command.run(main)
