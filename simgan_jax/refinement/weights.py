"""A refiner in one file without code: arrays by name, and the configuration they belong to.

Names are those of the network's parameters ("stem/kernel"); kernels are [height, width, in, out];
"histograms" are sorted values of real images, which images get before they are refined, if any. The
text "about" holds JSON: the run's configuration ("config") and step ("step"), and a checksum of all.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, PyTree, Shaped
from ml_collections import ConfigDict
from safetensors import safe_open
from safetensors.numpy import load_file, save

from simgan_jax.errors import UserError, regular
from simgan_jax.io.atomic import replacing
from simgan_jax.setup import make_setup

SUFFIXES = (".npz", ".safetensors")
ABOUT, HISTOGRAMS = "about", "histograms"
# Of the text "about"; a file with a larger number is from a newer version of this package. 2 has
# histograms; a file without them is written as 1, which knew none.
VERSION = 2
# Refiners that come with the package.
PRETRAINED = Path(__file__).parent / "pretrained"
# Of a refiner of the paper's size there are 1.2 MB; an npz file may unpack to anything.
LARGEST = 2**30


class Trained(NamedTuple):
    """What a trained refiner is.

    Attributes:
        config: of the run.
        params: of the network.
        step: of the run.
        histograms: `TrainState.histograms`.
    """

    config: ConfigDict
    params: PyTree[Float[Array, "..."]]
    step: int
    histograms: Shaped[np.ndarray, "k levels c"] | None = None


def write(
    path: str | Path,
    config: ConfigDict,
    params: PyTree[Float[Array, "..."]],
    step: int,
    histograms: Shaped[np.ndarray, "k levels c"] | None = None,
) -> None:
    """Writes a refiner, as `Trained` describes it, as .npz or .safetensors.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    arrays = {name: np.asarray(x) for name, x in flatten_dict(params, sep="/").items()}
    version = 1
    if histograms is not None:
        arrays[HISTOGRAMS], version = np.asarray(histograms, order="C"), VERSION
    settings = {"version": version, "config": config.to_dict(), "step": step}
    about = json.dumps(settings | {"sha256": _checksum(settings, arrays)})
    with replacing(path) as file, file.open("wb") as stream:
        if _suffix(path) == ".npz":
            np.savez(stream, **{ABOUT: np.array(about)}, **arrays)
        else:
            stream.write(save(arrays, {ABOUT: about}))


def read(path: str | Path) -> Trained:
    """Reads what `write` wrote; no code is ever loaded.

    Raises:
        UserError: missing, damaged, of a newer version, or without what belongs there.
    """
    path = Path(path)
    _suffix(path)
    regular(path)
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
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file makes its reader raise
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"{path}: not a refiner's weights ({reason}); export them again") from error
    histograms = arrays.pop(HISTOGRAMS, None)
    return Trained(config, unflatten_dict(arrays, sep="/"), step, histograms)


def network(path: Path, trained: Trained) -> nn.Module:
    """The refiner that a file describes, after a check that what it holds is that refiner's.

    Raises:
        UserError: it is not, or the settings are none.
    """
    try:
        setup = make_setup(trained.config)
        refiner = setup.refiner
        sizes = [x for x in (refiner.channels, refiner.noise_channels) if x]
        inputs = [jax.ShapeDtypeStruct((1, 64, 64, x), np.float32) for x in sizes]
        needed = jax.eval_shape(refiner.init, jax.random.key(0), *inputs)["params"]
        kept = setup.histograms and np.empty(
            (*setup.histograms, refiner.channels), setup.image_dtype
        )
        both = (needed, kept), (trained.params, trained.histograms)
        shapes = [jax.tree.map(lambda x: (x.shape, str(x.dtype)), x) for x in both]
        fits = shapes[0] == shapes[1]
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # whatever a strange configuration leads to
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"{path}: its settings are no refiner's ({reason})") from error
    if not fits:
        raise UserError(f"{path}: its weights are not those of its settings; export them again")
    return refiner


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
