"""The commands that pip installs: `simgan-refine` is `python -m simgan_jax.refine`, and so on."""

import runpy
import sys
from functools import partial


def run(module: str) -> None:
    """Does what `python -m` does: a configuration finds others beside it, in the current folder."""
    sys.path.insert(0, "")
    runpy.run_module(f"simgan_jax.{module}", run_name="__main__", alter_sys=True)


train = partial(run, "main")
evaluate = partial(run, "evaluate")
refine = partial(run, "refine")
export = partial(run, "export")
report = partial(run, "report")
prepare = partial(run, "data.prepare")
