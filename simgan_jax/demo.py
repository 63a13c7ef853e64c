"""A page in the browser to try a refiner on your images.

    python -m simgan_jax.demo
    python -m simgan_jax.demo --workdir=runs/gaze

Drop an image or a folder on it, move the strength, look at before and after, and download the result.
It needs `pip install 'simgan_jax[demo]'`. It listens on this machine alone, unless --host says
otherwise, and keeps nothing.
"""

from collections.abc import Sequence

from absl import flags
from rich.console import Console

from simgan_jax import command
from simgan_jax.errors import UserError, warn
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.training import devices


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    del argv
    f = flags.FLAGS
    try:
        from simgan_jax.serving.app import LOOPBACK, server
    except ImportError as error:
        raise UserError(f"demo needs {error.name}: pip install 'simgan_jax[demo]'") from error
    devices.cores_as_devices()
    pretrained = None if f.workdir else f.pretrained
    page = server(load_refiner(f.workdir, f.step, pretrained=pretrained), f.host, f.port)
    if f.host not in LOOPBACK:
        warn(f"--host={f.host}: whoever reaches this address can use the page")
    text = f"open http://{f.host}:{page.port}/ in a browser; Ctrl-C ends it"
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
    page.serve_forever()


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    flags.DEFINE_string("workdir", None, "Folder of the run, or a file or folder of weights.")
    flags.DEFINE_string("pretrained", "eyes", "Without --workdir: a refiner of the package.")
    flags.DEFINE_integer("step", None, "Of the checkpoint; the chosen or newest one by default.")
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen at.")
    flags.DEFINE_integer("port", 8017, "0 takes a free one.")
    command.run(main, argv=argv)


if __name__ == "__main__":
    run()
