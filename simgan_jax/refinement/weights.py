"""A refiner in one file without code: arrays by name, and the configuration they belong to.

Names are those of the network's parameters ("stem/kernel"); kernels are [height, width, in, out]. The
text "about" holds JSON: the run's configuration ("config") and step ("step"), and a checksum of all.
"""

import hashlib
import json
import zipfile
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
# Of the text "about"; a file with a larger number is from a newer version of this package.
VERSION = 1
# Refiners that come with the package.
PRETRAINED = Path(__file__).parent / "pretrained"
# Of a refiner of the paper's size there are 1.2 MB; an npz file may unpack to anything.
LARGEST = 2**30


def write(
    path: str | Path, config: ConfigDict, params: PyTree[Float[Array, "..."]], step: int
) -> None:
    """Writes parameters as .npz or .safetensors.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    arrays = {name: np.asarray(x) for name, x in flatten_dict(params, sep="/").items()}
    settings = {"version": VERSION, "config": config.to_dict(), "step": step}
    about = json.dumps(settings | {"sha256": _checksum(settings, arrays)})
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
        UserError: missing, damaged, of a newer version, or without what belongs there.
    """
    path = Path(path)
    try:
        arrays, about = _read_npz(path) if _suffix(path) == ".npz" else _read_safetensors(path)
        settings = json.loads(about)
        if settings.get("version", 0) > VERSION:
            raise UserError(f"{path}: of a newer version of simgan_jax; update the package")
        checksum = settings.pop("sha256", None)  # files of version 0 have none
        if checksum not in (None, _checksum(settings, arrays)):
            raise ValueError("its checksum is another")
        if not all(np.isfinite(x).all() for x in arrays.values()):
            raise ValueError("NaN or infinity")
        config, step = ConfigDict(settings["config"]), int(settings["step"])
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file makes its reader raise
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"{path}: not a refiner's weights ({reason}); export them again") from error
    return config, unflatten_dict(arrays, sep="/"), step


def find(folder: Path) -> Path | None:
    """The weights in a folder that was shared; None if there are none, or the folder is a run's."""
    files = [] if (folder / "checkpoints").exists() else sorted(folder.glob("*.safetensors"))
    if len(files) > 1:
        raise UserError(f"{folder}: {len(files)} files of weights; name one of them")
    return files[0] if files else None


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
    with zipfile.ZipFile(path) as file:
        if sum(member.file_size for member in file.infolist()) > LARGEST:
            raise ValueError("too large")
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return arrays, str(arrays.pop(ABOUT))


def _read_safetensors(path: Path) -> tuple[dict[str, Any], str]:
    with safe_open(path, "numpy") as file:
        about = (file.metadata() or {}).get(ABOUT)
        if about is None:
            raise ValueError("no settings of a refiner in it")
        return load_file(path), about


def _checksum(settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    sha = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: weights have the suffix {' or '.join(SUFFIXES)}")
    return suffix
