"""The refiner beside CycleGAN and CUT: the same data, size of network and number of images seen.

    python -m experiments.rivals [--quick] [--rivals=cyclegan,cut] [--data=matched] [--seeds=3]
    SIMGAN_DATA=... python -m experiments.rivals --data=columbia

What differs is the way of learning: the refiner stays near its input by self-regularisation, CycleGAN
must be undone, CUT must keep its patches recognisable. One more is there to be asked for: "contrast",
the refiner with CUT's loss beside psi, hardly held by pixels. A rival gets a generator of the refiner's
size (CycleGAN two), the patch discriminator, and as many synthetic images as the refiner has seen; its
papers' losses, optimiser and schedule are in its module. Its last parameters are used: choosing among
checkpoints is no part of either method.

"embedded" are the eyes of configs/gaze.py as they are rendered, "matched" the same with the grey values
of real images, as that configuration has them: any method can be given these first. "columbia" are
people, with matched grey values: those of the variant "matched_first" of `experiments.real_people`,
whose finished runs are taken if there are any, and left as they are: what they have cost is not known.

All are judged by the report's own functions, which take any function of images: error on real test
images, drift of what an estimator reads, realism, artefacts. CPU time is of training alone, of all the
calls that it took, but for calls that were killed at once. Adds to result.json, writes table.md from it
and, of "matched", samples.png: as rendered, the refiner's, each rival's, real ones. --share and
--features make everything smaller, the refiner too.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from configs.gaze import get_config
from experiments import paired, summary
from experiments.flags import RUNS, require_known, results_folder
from experiments.gan_seeds import SEED, gan_seeds
from experiments.real_people import configurations as real_people
from experiments.results import origin, stored
from experiments.rivals import table
from experiments.rivals.cost import cpu_time
from experiments.rivals.training import RIVALS, images_seen, train
from experiments.samples import write_samples
from experiments.sizes import level, size, sized
from simgan_jax import command, data
from simgan_jax.evaluation.image_split import spread
from simgan_jax.evaluation.run import FILE, evaluate, evaluate_and_print, plan_of
from simgan_jax.evaluation.sets import load_sets
from simgan_jax.io.atomic import read_json, write_json
from simgan_jax.refinement import weights
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, loop, provenance

SIMGAN, WEIGHTS, TRAINING = "simgan", "generator.safetensors", "training.json"
IMAGES = "training/images"
# The package's refiner, and what is changed in its configuration.
REFINERS: dict[str, dict[str, Any]] = {
    SIMGAN: {},
    "contrast": {
        "loss.self_regularization": 0.02,
        "loss.reading.weight": 2000.0,
        "loss.contrast.weight": 50.0,
    },
}
KNOWN = (*RIVALS, *REFINERS)
NAMES = flags.DEFINE_list("rivals", list(RIVALS), f"Of {', '.join(KNOWN)}, separated by commas.")
DATA = flags.DEFINE_enum(
    "data",
    "matched",
    ["embedded", "matched", "columbia"],
    "Embedded eyes as rendered, the same matched, or people.",
)
SHARE = flags.DEFINE_float(
    "share", 1.0, "Of the updates that the configuration says; for less time."
)
FEATURES = flags.DEFINE_integer("features", 0, "Of refiner and generators; 0: the configuration's.")
IDENTITY = flags.DEFINE_bool("identity", True, "Whether rivals must pass real images unchanged.")

HERE = Path(__file__).parent
RIVAL_ROWS = ("refined", "refined_augmented")
UNREFINED_ROWS = ("synthetic", "synthetic_augmented", "matched", "matched_augmented", "real")
SIMGAN_ROWS = (*UNREFINED_ROWS, *RIVAL_ROWS)
COMPARED = ("error/refined", "error/refined_augmented")
PICTURES = 10


def main(argv: Sequence[str]) -> None:
    """Trains, evaluates and compares."""
    del argv
    require_known(NAMES, KNOWN)
    methods = (SIMGAN, *(name for name in NAMES.value if name != SIMGAN))
    devices.cores_as_devices(make_setup(configuration(0)))
    seeds = gan_seeds()
    jobs = [
        (method, configuration(seed, method), workdir(method, seed))
        for seed in seeds
        for method in methods
    ]
    for job in jobs:
        train_one(*job)
    for job in jobs:
        judge_one(*job)
    if SEED.value is not None:
        return
    reports = {method: [read(workdir(method, seed)) for seed in seeds] for method in methods}
    result = added(reports, len(seeds))
    here = results_folder(HERE)
    write_json(here / "result.json", result)
    (here / "table.md").write_text(table.text(result))
    print(table.text(result))
    if DATA.value == "matched":
        draw_samples([workdir(method, seeds[0]) for method in methods])


def configuration(seed: int, method: str = SIMGAN) -> ConfigDict:
    """Of the refiner's run, at the size that the flags ask for; rivals go by that of SimGAN."""
    if DATA.value == "columbia":
        config = sized(real_people.matched_first(), real_people.ROWS)
    else:
        config = sized(get_config(), SIMGAN_ROWS)
        config.data.histogram_matching = DATA.value == "matched"
    config.seed = seed
    config.update_from_flattened_dict(REFINERS.get(method, {}))
    if FEATURES.value:
        config.refiner.features = FEATURES.value
    for phase in ("steps", "pretrain_refiner", "pretrain_discriminator"):
        config.train[phase] = max(1, round(config.train[phase] * SHARE.value))
    return config


def workdir(method: str, seed: int) -> Path:
    """Of one training, or the run of another experiment that stands for it."""
    changed = [f"features-{FEATURES.value}"] if FEATURES.value else []
    changed += [f"share-{SHARE.value:g}"] if SHARE.value != 1 else []
    changed += [] if IDENTITY.value or method in REFINERS else ["no-identity"]
    own = RUNS / "rivals" / DATA.value / size() / "-".join(changed) / f"{method}-{seed}"
    if method == SIMGAN and DATA.value == "columbia" and not changed and not own.exists():
        same = RUNS / "real_people" / size() / f"matched_first-{seed}"
        return same if (same / FILE).exists() else own
    return own


def train_one(method: str, config: ConfigDict, folder: Path) -> None:
    """Trains the refiner or a rival, unless that has been done."""
    if method in REFINERS:
        provenance.claim(folder, config)
    if (folder / FILE).exists() or (folder / WEIGHTS).exists():
        return
    if method in REFINERS:
        with cpu_time(folder / TRAINING):
            if not loop.train(config, folder):
                raise KeyboardInterrupt
        return
    (folder / TRAINING).unlink(missing_ok=True)  # a rival that was interrupted begins anew
    with cpu_time(folder / TRAINING):
        seen = images_seen(config)
        synthetic, real = loop.load_sets(config, make_setup(config))
        sets = {"synthetic": synthetic.images, "real": real.images}
        params = train(RIVALS[method], config, sets, seen, IDENTITY.value, say(method))
        kept = loop.histograms_of(real, config, make_setup(config))
        weights.write(folder / WEIGHTS, config, params, seen, kept)


def judge_one(method: str, config: ConfigDict, folder: Path) -> None:
    """Evaluates the refiner or a rival, unless that has been done."""
    if (folder / FILE).exists():
        return
    matched = config.data.histogram_matching
    # Drift is read by the same estimator for every method, of images as they are given to it.
    reader = "matched_augmented" if matched else "synthetic_augmented"
    rows = SIMGAN_ROWS if method == SIMGAN else (reader, *RIVAL_ROWS)
    if method in REFINERS:
        evaluate_and_print(folder, level(), rows=rows)
        return
    plan = plan_of(config, level(), rows=rows)
    sets, judge = load_sets(config, plan), make_setup(config).discriminator
    refine = load_refiner(folder / WEIGHTS)
    match = refine.match if matched else None
    report = evaluate(plan, config.task, sets, refine, judge, config.seed, say(method), match)
    write_json(folder / FILE, {"checkpoint": refine.step, **report})


def say(method: str) -> Callable[[str], None]:
    """Prints lines with the name of a method before them."""
    return lambda line: print(f"{method}: {line}", flush=True)


def read(folder: Path) -> dict[str, float]:
    """The figures of one training."""
    figures = summary.figures_of(read_json(folder / FILE))
    return figures | stored(folder / TRAINING) | {IMAGES: images_seen(configuration(0))}


def added(reports: Mapping[str, Sequence[Mapping[str, float]]], seeds: int) -> dict[str, Any]:
    """result.json with the figures of this call.

    Args:
        reports: of each method, `read`, one a seed.
        seeds: their number.
    """
    file = results_folder(HERE) / "result.json"
    result: dict[str, Any] = {"runs": {}, "variants": {}, "comparisons": {}} | stored(file)
    about = origin("rivals") | {
        "seeds": seeds,
        "share": SHARE.value,
        "features": configuration(0).refiner.features,
        "identity": IDENTITY.value,
    }
    for method, each in reports.items():
        name = f"{DATA.value}/{method}"
        result["runs"][name] = about
        result["variants"][name] = summary.summarize(each)
        if method != SIMGAN:
            ours = reports[SIMGAN]
            result["comparisons"][name] = {
                figure: paired.difference([x[figure] for x in each], [x[figure] for x in ours])
                for figure in COMPARED
            }
    return result


def draw_samples(folders: Sequence[Path]) -> None:
    """Writes samples.png; real images are of those that trained the discriminators."""
    config = configuration(0)
    synthetic = data.load(config.data.synthetic).images[-PICTURES:]
    real = spread(data.load(config.data.real), PICTURES).images
    made = [
        load_refiner(folder / WEIGHTS if (folder / WEIGHTS).exists() else folder)(synthetic)
        for folder in folders
    ]
    write_samples(results_folder(HERE), [synthetic, *made, real])


if __name__ == "__main__":
    command.run(main)
