"""A thousand damaged inputs: each gives one named error or a counted skip, and no wrong label."""

import io
import json
import pickle
import random

import numpy as np
import pytest
from damage import Owned, attempt, cut, flipped, png_header, zip_bomb
from PIL import Image
from unity_export import export_unity_eyes

from simgan_jax.data import mpii_gaze, table
from simgan_jax.data.jobs import Chunk, Job, Pool, run
from simgan_jax.data.unity_eyes.builder import _work as unity_work
from simgan_jax.data.unity_eyes.decode import Framing
from simgan_jax.errors import UserError

HOSTILE = [
    "",
    "(1, 2, 3",
    "1, 2, 3",
    "(1, 2)",
    "(1, 2, 3, 4, 5)",
    "(a, b, c)",
    "(nan, 0, 0)",
    "(1e999, 0, 0)",
    "(1, 2, 3); import os",
    "__import__('os').system('touch owned')",
    "(lambda: (1, 2, 3))()",
    "(1, 2, [3])",
    "(9**9**9, 1, 1)",
    "(" + "9" * 5000 + ", 1, 1)",
    "(" * 900,
    "(1, ２, 3)",
    "(1_0, 2, 3)",
    None,
    7,
    [],
    {},
    ["(1, 2, 3)"],
    "\x00",
    "(999999, 5, 5)",
    "(-5000, 5, 5)",
]


@pytest.fixture(scope="module")
def eye(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eye")
    export_unity_eyes(folder, 1)
    return (folder / "1.jpg").read_bytes(), (folder / "1.json").read_text()


def unity_inputs(eye, rng):
    """(image, json, may it be read all the same) of some damaged pairs."""
    picture, text = eye
    details = json.loads(text)
    places = [
        ("look_vec", lambda d, v: d["eye_details"].update(look_vec=v)),
        ("head_pose", lambda d, v: d.update(head_pose=v)),
        *(
            (name, lambda d, v, name=name: d[name].__setitem__(3, v))
            for name in ("interior_margin_2d", "iris_2d", "caruncle_2d")
        ),
    ]
    for _, put in places:
        for value in HOSTILE:
            broken = json.loads(text)
            put(broken, value)
            yield picture, json.dumps(broken), False
    for name in ("interior_margin_2d", "iris_2d", "caruncle_2d", "eye_details", "head_pose"):
        for value in ([], {}, None, "x", 3, details["iris_2d"][:5], details["iris_2d"] * 400):
            yield picture, json.dumps(details | {name: value}), False
        yield picture, json.dumps({k: v for k, v in details.items() if k != name}), False
    for value in ("(0, 0, 1, 0)", "(0, 0, -3, 0)", "(0, 0, 0, 0)", "(nan, 0, -1, 0)"):
        yield picture, json.dumps(details | {"eye_details": {"look_vec": value}}), False
    for broken in ("", "[]", "null", "3", "{", "[" * 100_000, '{"a":' * 5000, "{}" + " " * 2**20):
        yield picture, broken, False
    for _ in range(100):
        yield picture, cut(text.rstrip("} \n"), rng), False
    for _ in range(100):
        yield picture, flipped(text.encode(), rng), True
    for _ in range(100):
        yield cut(picture[:-2000], rng), text, False
    for _ in range(60):
        yield flipped(picture, rng, 30), text, True
    pickled = pickle.dumps(Owned())
    others = [b"", b"GIF89a" + bytes(99), b"%PDF-1.4", b"<svg/>", zip_bomb(), pickled]
    sizes = [(0, 0), (1, 1), (2**31 - 1, 2**31 - 1), (100_000, 100_000), (9000, 9000), (640, 480)]
    for broken in (*others, *(png_header(*size) for size in sizes)):
        yield broken, text, False


def labels_match(example, text):
    """Whether gaze and landmarks say what a JSON text says, read in another way."""
    details = json.loads(text)
    look = np.array([float(x) for x in details["eye_details"]["look_vec"][1:-1].split(",")])
    lid, iris = (
        np.array([[float(x) for x in point[1:-1].split(",")[:2]] for point in details[name]])
        for name in ("interior_margin_2d", "iris_2d")
    )
    gaze = look[:3] * (1, -1, 1) / np.linalg.norm(look[:3])
    centre = (lid.min(0) + lid.max(0)) / 2
    pupil = (iris.mean(0) - centre) * (1, -1) * 60 / 224 + (29.5, 17.5)
    return np.allclose(example["gaze"][0], gaze, atol=1e-5) and np.allclose(
        example["pupil"][0], pupil, atol=1e-3
    )


def test_unity_eyes(eye, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image, label = tmp_path / "1.jpg", tmp_path / "1.json"
    pair = [("1.jpg", None, "1.json", None)]
    count = 0
    for picture, text, harmless in unity_inputs(eye, random.Random(0)):
        image.write_bytes(picture)
        label.write_bytes(text if isinstance(text, bytes) else text.encode())
        work = (str(tmp_path), pair, Framing(), False, True)
        chunk = attempt(lambda work=work: unity_work(*work, "stop"))
        counted = attempt(lambda work=work: unity_work(*work, "skip"))
        assert (chunk is None) == (len(counted.faults) == 1)
        if chunk is not None:
            assert harmless, text[:300]
            assert labels_match(chunk.examples, label.read_text(errors="replace"))
        elif not harmless:
            assert str(tmp_path / "1.") in counted.faults[0]
        count += 1
    assert count > 500
    assert not (tmp_path / "owned").exists()


def test_tables(tmp_path):
    rng = random.Random(3)
    Image.new("L", (8, 4)).save(tmp_path / "a.png")
    whole = b"file,gaze_x,gaze_y,gaze_z\na.png,0,0.6,-0.8\n"
    path = tmp_path / "labels.csv"
    inputs = [flipped(whole, rng, 2) for _ in range(100)] + [cut(whole, rng) for _ in range(40)]
    inputs += [b"\xff\xfe" + whole, b"file\n" + b'"' * 9999, b"\x00" * 99, b"file\r" * 99]
    for content in inputs:
        path.write_bytes(content)
        arrays = attempt(lambda: table.load(str(path)))
        if arrays is not None and "gaze" in arrays.labels:
            np.testing.assert_allclose(np.linalg.norm(arrays.labels["gaze"], axis=1), 1, atol=1e-6)


def test_chunks_are_read_without_unpickling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = Job(_one, (), 1)
    path = tmp_path / f"{job.fingerprint()}.npz"
    for content in (pickle.dumps(Owned()), zip_bomb(), b"", b"PK\x03\x04"):
        path.write_bytes(content)
        assert len(list(run([job], tmp_path, Pool(1), "x"))) == 1
    objects = io.BytesIO()
    np.savez(objects, faults=np.array([Owned()], object))
    path.write_bytes(objects.getvalue())
    assert len(list(run([job], tmp_path, Pool(1), "x"))) == 1
    assert not (tmp_path / "owned").exists()


def _one():
    return Chunk({"name": np.array(["a"])}, [])


def test_absent_sets_are_named(tmp_path):
    with pytest.raises(UserError, match="not prepared"):
        mpii_gaze.load(data_dir=str(tmp_path / "no such folder"))
