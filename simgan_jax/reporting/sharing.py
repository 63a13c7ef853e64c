"""A refiner to share: a folder with its weights and its card, in the layout of model hubs."""

from pathlib import Path

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import write_bytes
from simgan_jax.refinement.exports import export
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.reporting.page import MODEL_CARD, describe, templates
from simgan_jax.reporting.run_folder import read_run
from simgan_jax.training.provenance import file_checksum

WEIGHTS, CARD = "model.safetensors", "README.md"
UNKNOWN = "unknown"


def share(
    workdir: str | Path,
    output: str | Path,
    step: int | None = None,
    source: str = "",
    weights_license: str = UNKNOWN,
) -> Path:
    """Writes the weights of a run's refiner, checked as every export, and its card.

    The card has what the refiner was trained on, with checksums, and the figures of evaluation.json if
    they are of these weights.

    Args:
        workdir: of the run.
        output: folder to write.
        step: of the checkpoint; by default the chosen one, else the newest.
        source: see `export`.
        weights_license: under which the weights are given away, as hubs write it ("apache-2.0").

    Returns:
        Path of the card.

    Raises:
        UserError: no run there; an output folder of something else, or that cannot be written.
    """
    output = Path(output).expanduser()
    workdir = Path(workdir).expanduser()
    if workdir.is_file():
        raise UserError(f"{workdir}: a card tells of a run; name the folder of one")
    run = read_run(workdir)
    weights, card = output / WEIGHTS, output / CARD
    if card.exists() and not weights.exists():
        raise UserError(f"{card}: is not of a refiner; name another folder")
    if (output / "config.json").exists():
        raise UserError(f"--output={output}: is the folder of a run; name another one")
    export(run.workdir, "safetensors", weights, step, source)
    refiner = load_refiner(weights)
    if run.evaluation.get("checkpoint", refiner.step) != refiner.step:
        run = run._replace(evaluation={})
    shared = {
        "folder": output.resolve().name,
        "license": weights_license,
        "step": refiner.step,
        "sha256": file_checksum(weights),
    }
    text = templates().get_template(MODEL_CARD).render(describe(run) | {"shared": shared})
    write_bytes(card, text.encode())
    return card
