"""Writes the API reference, HTML made from the docstrings: python docs/api.py [FOLDER]."""

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import simgan_jax

# It cannot resolve annotations of base classes in other packages.
warnings.filterwarnings("ignore", module="pdoc")
folder = Path(sys.argv[1] if sys.argv[1:] else "build/api")
# All modules by name: pdoc itself would stop at the public names of the package.
modules = [x.name for x in pkgutil.walk_packages(simgan_jax.__path__, "simgan_jax.")]
pdoc.render.configure(docformat="google", footer_text=f"simgan_jax {simgan_jax.__version__}")
pdoc.pdoc("simgan_jax", *modules, output_directory=folder)
print(folder / "index.html")
