"""Files that would run code if loading were careless."""

import io
import os
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.io
from jax import export as jax_export

from simgan_jax import data
from simgan_jax.data.mpii_gaze.builder import read_day
from simgan_jax.data.nyu_hand.builder import all_joints
from simgan_jax.io import image_files
from simgan_jax.refinement import weights
from simgan_jax.refinement.chosen_checkpoint import restore_refiner
from simgan_jax.refinement.loading import load_refiner

# What a payload that runs leaves behind.
OWNED = Path(tempfile.gettempdir()) / "simgan_jax_owned"


class Payload:
    """What a pickle would do if it were read."""

    def __reduce__(self):
        return (os.system, (f"touch {OWNED}",))


class Artefact(NamedTuple):
    """Something hostile, and how it would be loaded."""

    name: str
    load: Callable[[], Any]
    harmless: bool = False


def pickles() -> dict[str, bytes]:
    """Pickles in the files that hold arrays."""
    payload = np.empty((1,), object)
    payload[0] = Payload()
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, payload, allow_pickle=True)
    np.savez(npz, payload, about=payload, faults=payload)
    torch = io.BytesIO()
    with zipfile.ZipFile(torch, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Payload()))
        file.writestr("archive/version", "3")
    slip = io.BytesIO()
    with zipfile.ZipFile(slip, "w") as file:
        file.writestr("../../slipped.npy", npy.getvalue())
        file.writestr("about.npy", npy.getvalue())
    header = b"{'descr': __import__('os').system('touch %s'), 'x': 1}\n" % str(OWNED).encode()
    code = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    return {
        "object npy": npy.getvalue(),
        "object npz": npz.getvalue(),
        "bare pickle": pickle.dumps(Payload()),
        "PyTorch file": torch.getvalue(),
        "names that climb": slip.getvalue(),
        "npy with code in its header": code,
    }


def arrays(folder: Path) -> list[Artefact]:
    """Pickles in the place of image arrays."""
    folder.mkdir()
    found = []
    for name, content in pickles().items():
        images = folder / name
        images.mkdir()
        path = images / "a.npy"
        path.write_bytes(content)
        spec = {"source": "folder", "path": str(images)}
        found += [
            Artefact(f"{name} as an image", lambda path=path: image_files.read(path)),
            Artefact(f"{name} in a folder", lambda spec=spec: data.load(spec)),
        ]
    whole = folder / "whole"
    whole.mkdir()
    np.save(whole / "a.npy", np.zeros((24, 24), np.uint8))
    spec = {"source": "folder", "path": str(whole)}
    (folder / "whole.csv").write_text("file,pitch,yaw\nwhole/a.npy,0.1,0.1\n")
    table = {"source": "table", "path": str(folder / "whole.csv")}
    return [
        *found,
        Artefact("npy", lambda: image_files.read(whole / "a.npy"), harmless=True),
        Artefact("folder", lambda: data.load(spec), harmless=True),
        Artefact("table", lambda: data.load(table), harmless=True),
    ]


def exports(folder: Path, run: Path) -> list[Artefact]:
    """Pickles and other programs' files in the place of weights."""
    folder.mkdir()
    config, params, step, _ = restore_refiner(run)
    found = []
    for suffix in weights.SUFFIXES:
        path = folder / f"whole{suffix}"
        weights.write(path, config, params, step)
        found.append(
            Artefact(f"weights {suffix}", lambda path=path: load_refiner(path), harmless=True)
        )
        for number, (name, content) in enumerate(pickles().items()):
            path = folder / f"{number}{suffix}"
            path.write_bytes(content)
            found.append(Artefact(f"{name} as {suffix}", lambda path=path: load_refiner(path)))
    program = jax_export.export(jax.jit(lambda x: x + 1))(jax.ShapeDtypeStruct((1,), np.float32))
    foreign = folder / "foreign.npz"
    foreign.write_bytes(program.serialize())
    huge = folder / "huge.safetensors"
    huge.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    return [
        *found,
        Artefact("a foreign export", lambda: load_refiner(foreign)),
        Artefact("safetensors with an endless header", lambda: load_refiner(huge)),
    ]


def matlab(folder: Path) -> list[Artefact]:
    """Objects and functions in the place of matrices."""
    folder.mkdir()
    whole = folder / "whole.mat"
    scipy.io.savemat(whole, {"joint_uvd": np.ones((3, 1, 36, 3))})
    content = whole.read_bytes()
    found = [Artefact("mat", lambda: all_joints(whole), harmless=True)]
    # Classes of arrays: 3 object, 16 function, 17 opaque; and version 7.3, which is HDF5.
    for kind in (3, 16, 17):
        path = folder / f"class_{kind}.mat"
        place = content.index(struct.pack("<II", 6, 8)) + 8
        path.write_bytes(content[:place] + bytes([kind]) + content[place + 1 :])
        found.append(Artefact(f"mat of class {kind}", lambda path=path: all_joints(path)))
    hdf = folder / "hdf.mat"
    hdf.write_bytes(content[:124] + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(900))
    pickled = folder / "pickle.mat"
    pickled.write_bytes(pickle.dumps(Payload()))
    return [
        *found,
        Artefact("mat of version 7.3", lambda: read_day(hdf)),
        Artefact("pickle as mat", lambda: read_day(pickled)),
    ]
