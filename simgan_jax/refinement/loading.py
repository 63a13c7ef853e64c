"""A trained refiner from where it lies: a run, a file of weights, the package."""

from pathlib import Path
from typing import Any

from simgan_jax.errors import UserError
from simgan_jax.refinement import weights
from simgan_jax.refinement.chosen_checkpoint import restore_refiner
from simgan_jax.refinement.refiner import Refine
from simgan_jax.setup import make_setup


def load_refiner(
    workdir: str | Path | None = None,
    step: int | None = None,
    *,
    pretrained: str | None = None,
    **options: Any,
) -> Refine:
    """The refiner of a run, as a function of images.

    Args:
        workdir: of the run; or what `export` made of one: a file of weights (.npz, .safetensors), or a
            folder with one and its card. No code is ever loaded.
        step: of the checkpoint; by default the chosen one, else the newest.
        pretrained: instead of `workdir`, a refiner that comes with the package, "eyes".
        **options: `max_pixels`, `seed` and `strength` of `Refine`.

    Raises:
        UserError: no run there, no such checkpoint or refiner, a damaged one, or not exactly one of the
            two named.
    """
    if (workdir is None) == (pretrained is None):
        raise UserError("name either the folder of a run or a pretrained refiner")
    path = weights.pretrained(pretrained) if workdir is None else Path(workdir).expanduser()
    if path.is_file() and path.suffix not in weights.SUFFIXES:
        raise UserError(
            f"{path}: not a refiner's weights; name a run, or what was exported from one as hub, "
            "safetensors or npz"
        )
    file = path if path.suffix in weights.SUFFIXES and not path.is_dir() else weights.find(path)
    if file is None:
        trained = restore_refiner(path, step)
        refiner = make_setup(trained.config).refiner
    else:
        trained = weights.read(file)
        if step not in (None, trained.step):
            raise UserError(
                f"{file}: is of step {trained.step}; leave the step out, or name the run"
            )
        refiner = weights.network(file, trained)
    known = {"config": trained.config, "step": trained.step, "histograms": trained.histograms}
    return Refine(refiner, trained.params, **known, **options)
