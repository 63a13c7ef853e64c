"""The configurations that come with the package: `from simgan_jax.configs import gaze`.

This file stands for them in a clone, where they lie in configs/ at its top; in a wheel that folder
takes this one's place (`package_dir` in setup.cfg).
"""

from pathlib import Path

__path__ = [str(Path(__file__).parents[2] / "configs")]
