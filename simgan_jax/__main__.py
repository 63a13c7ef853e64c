"""simgan: labelled synthetic images made real, and the proof that it helps.

  simgan train --config=gaze          trains, evaluates, reports; --config=folder for your own images
  simgan evaluate --workdir=RUN       measures a run: estimators on real images, labels, realism
  simgan refine --workdir=RUN --input=DIR --output=DIR     makes a folder of images real
  simgan export --workdir=RUN --format=onnx --output=FILE  the refiner for other programs
  simgan report --workdir=RUN         writes the page about a run again
  simgan prepare NAME --manual_dir=DIR     unity_eyes, mpii_gaze or nyu_hand, for training
  simgan doctor PATH                  what is wrong with a run or a folder of images
  simgan demo --workdir=RUN           a page in the browser to try a refiner on your images

`simgan VERB --help` says more of each. Exit status: 0 done, 2 and a line on what to mend, 130 Ctrl-C.
"""

import difflib
import importlib
import sys

from simgan_jax import command
from simgan_jax.io.signals import ended_at_once

VERBS = {
    "train": "simgan_jax.main",
    "evaluate": "simgan_jax.evaluate",
    "refine": "simgan_jax.refine",
    "export": "simgan_jax.export",
    "report": "simgan_jax.report",
    "prepare": "simgan_jax.data.prepare",
    "doctor": "simgan_jax.doctor",
    "demo": "simgan_jax.demo",
}


def run() -> None:
    """The command of commands: the word after its name says which."""
    sys.argv[0] = "simgan"  # also as `python -m simgan_jax`
    verb = sys.argv[1] if sys.argv[1:] else "help"
    if verb in ("help", *command.HELP):
        print(__doc__.strip())
        return
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(VERBS)}"
        command.fail(f"there is no command {verb!r}; {hint}")
    with ended_at_once():  # importing takes seconds; a command then listens by itself
        importlib.import_module(VERBS[verb]).run([f"simgan {verb}", *sys.argv[2:]])


if __name__ == "__main__":
    run()
