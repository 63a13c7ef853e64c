"""A folder or a data set through a trained refiner, labels carried along.

    python -m simgan_jax.refine --workdir=runs/gaze --input=FOLDER --output=FOLDER
    python -m simgan_jax.refine --workdir=runs/gaze --input=unity_eyes:data_dir=DIR --output=FOLDER

A folder's images come out under the same relative paths with the same size, mode and bit depth; every
other file is copied as it is, and so pixel labels fit on: geometry is never touched. JPEGs stay JPEGs,
at quality 95 without chroma subsampling. A data set (a name in `data.SOURCES` with its keyword
arguments, or synthetic, real, test of the run's configuration) comes out as 0000000.png, ... with
labels.npz.

What looks like labels (masks, maps of classes or objects, depth beside colour, arrays of points) is
asked about: --copy='masks/*,*_depth.png' copies it, --images='rgb/*' refines what matches, copies the
rest. Pictures of other formats and files that cannot be read stop the job; --on_error=skip counts them.

One output folder holds one input, refined in one way; --overwrite replaces what another job left there.
A file appears when it is whole. Started again, the same command redoes nothing that is finished; with
--shard=i/n it does one part of n, beside other processes in the same output folder.
"""

from collections.abc import Sequence

from absl import flags

from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.refinement import weights
from simgan_jax.refinement.folders import refine
from simgan_jax.refinement.inputs import Options
from simgan_jax.training import devices


def parse_shard(text: str) -> tuple[int, int]:
    """Turns "i/n" into (i, n); counted from 0 or from 1, since n/n is taken for 0/n.

    Raises:
        UserError: not two whole numbers, or i outside 0..n.
    """
    try:
        part, parts = (int(number) for number in text.split("/"))
    except ValueError:
        part, parts = -1, 0
    if not 0 <= part <= parts or not parts:
        raise UserError(f"--shard={text}: must be i/n with i in 0..n, such as 1/4")
    return part % parts, parts


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    del argv
    devices.cores_as_devices()
    f = flags.FLAGS
    options = Options(
        parse_shard(f.shard), f.images, f.copy, f.on_error, f.jpeg_quality, f.overwrite
    )
    chosen = {"step": f.step, "max_pixels": f.max_pixels, "seed": f.noise_seed}
    chosen["strength"] = f.strength
    if bool(f.workdir) == bool(f.pretrained):
        raise UserError("give either --workdir=RUN or --pretrained=NAME")
    workdir = f.workdir or weights.pretrained(f.pretrained)
    refine(workdir, f.input, f.output, options, **chosen)


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    default = Options()
    flags.DEFINE_string("workdir", None, "Folder of the run, or a file of weights.")
    flags.DEFINE_string("pretrained", None, "Instead: a refiner of the package, such as eyes.")
    flags.DEFINE_string("input", None, "Folder, or data set NAME:KEY=VALUE,...", required=True)
    flags.DEFINE_string("output", None, "Folder to write.", required=True)
    flags.DEFINE_integer("step", None, "Of the checkpoint; the chosen or newest one by default.")
    flags.DEFINE_string("shard", "0/1", "i/n: do one part of n; run the others beside or later.")
    flags.DEFINE_string("images", default.images, "Refine just files that match, such as rgb/*.")
    flags.DEFINE_string("copy", default.copy, "Copy files that match, such as *_mask.png,depth/*.")
    flags.DEFINE_string("on_error", default.on_error, "At an unreadable file: stop, or skip it.")
    flags.DEFINE_float("strength", 1.0, "0 leaves images as they are, 1 is the refiner's; up to 2.")
    flags.DEFINE_integer("jpeg_quality", default.jpeg_quality, "1..95.")
    flags.DEFINE_bool("overwrite", default.overwrite, "Replace what another job left there.")
    flags.DEFINE_integer("max_pixels", None, "Most pixels refined at once; bounds memory.")
    flags.DEFINE_integer("noise_seed", 0, "Of noise, and of the grey values that images get.")
    command.run(main, argv=argv)


if __name__ == "__main__":
    run()
