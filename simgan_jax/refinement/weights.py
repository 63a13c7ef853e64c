"""A refiner in one file without code: arrays by name, and the configuration they belong to.

Names are those of the network's parameters ("stem/kernel"); kernels are [height, width, in, out]. The
text "about" holds JSON: the run's configuration ("config") and step ("step").
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, PyTree
from ml_collections import ConfigDict
from safetensors import safe_open
from safetensors.numpy import load_file, save

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import replacing

SUFFIXES = (".npz", ".safetensors")
ABOUT = "about"
# Refiners that come with the package.
PRETRAINED = Path(__file__).parent / "pretrained"


def write(
    path: str | Path, config: ConfigDict, params: PyTree[Float[Array, "..."]], step: int
) -> None:
    """Writes parameters as .npz or .safetensors.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    arrays = {name: np.asarray(x) for name, x in flatten_dict(params, sep="/").items()}
    about = json.dumps({"config": config.to_dict(), "step": step})
    with replacing(path) as file, file.open("wb") as stream:
        if _suffix(path) == ".npz":
            np.savez(stream, **{ABOUT: np.array(about)}, **arrays)
        else:
            stream.write(save(arrays, {ABOUT: about}))


def read(path: str | Path) -> tuple[ConfigDict, PyTree[Float[np.ndarray, "..."]], int]:
    """Reads what `write` wrote; no code is ever loaded.

    Returns:
        The run's configuration, the refiner's parameters and the step.

    Raises:
        UserError: missing, damaged, or without what belongs there.
    """
    path = Path(path)
    try:
        arrays, about = _read_npz(path) if _suffix(path) == ".npz" else _read_safetensors(path)
        about = json.loads(about)
        config, step = ConfigDict(about["config"]), about["step"]
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file makes its reader raise
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"{path}: not a refiner's weights ({reason}); export them again") from error
    return config, unflatten_dict(arrays, sep="/"), step


def pretrained(name: str) -> Path:
    """File of a refiner that comes with the package.

    Raises:
        UserError: no such refiner.
    """
    path = PRETRAINED / f"{name}.safetensors"
    if not path.is_file():
        names = sorted(file.stem for file in PRETRAINED.glob("*.safetensors"))
        raise UserError(f"no pretrained refiner {name!r}; there are: {', '.join(names) or 'none'}")
    return path


def _read_npz(path: Path) -> tuple[dict[str, Any], str]:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return arrays, str(arrays.pop(ABOUT))


def _read_safetensors(path: Path) -> tuple[dict[str, Any], str]:
    with safe_open(path, "numpy") as file:
        return load_file(path), file.metadata()[ABOUT]


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: weights have the suffix {' or '.join(SUFFIXES)}")
    return suffix
