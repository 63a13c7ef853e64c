"""A thousand damaged inputs: each gives one named error or a counted skip, and no wrong label."""

import io
import json
import pickle
import random
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from simgan_jax.data import mpii_gaze, nyu_hand, table
from simgan_jax.data.jobs import Chunk, Job, Pool, run
from simgan_jax.data.mpii_gaze.builder import _work as mpii_work
from simgan_jax.data.nyu_hand import builder as nyu
from simgan_jax.data.procedural.unity_export import export_unity_eyes
from simgan_jax.data.unity_eyes.builder import _work as unity_work
from simgan_jax.data.unity_eyes.decode import Framing
from simgan_jax.errors import UserError

# Seconds that any one of them may take; most take a millisecond.
PATIENCE = 10
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
    "__import__('os').system('touch /tmp/owned')",
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


def flipped(content, rng, bits=3):
    content = bytearray(content)
    for _ in range(bits):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def cut(content, rng):
    return content[: rng.randrange(len(content))]


@pytest.fixture(scope="module")
def eye(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eye")
    export_unity_eyes(folder, 1)
    return (folder / "1.jpg").read_bytes(), (folder / "1.json").read_text()


def png_header(width, height):
    """A PNG that says it is of some size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunks


def zip_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", bytes(10_000_000))
    return file.getvalue()


class Owned:
    """What a pickle would do if it were read."""

    def __reduce__(self):
        return (Path("/tmp/owned").touch, ())


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


def attempt(work):
    """A chunk, or None after a UserError in one line; anything else fails the test."""
    start, message, result = time.perf_counter(), None, None
    try:
        result = work()
    except UserError as error:
        message = str(error)
    assert message is None or ("\n" not in message and 10 < len(message) < 500)
    assert time.perf_counter() - start < PATIENCE
    return result


def test_unity_eyes(eye, tmp_path):
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
    assert not Path("/tmp/owned").exists()


def day(count=4, **changes):
    """Contents of a day's .mat."""
    rng = np.random.default_rng(0)
    eye = {
        "image": rng.integers(0, 256, (count, 36, 60), dtype=np.uint8),
        "gaze": np.tile([0.0, 0.6, -0.8], (count, 1)),
        "pose": np.full((count, 3), 0.1),
    }
    names = np.array([[f"{i + 1:04d}.jpg"] for i in range(count)], object)
    return {"data": {"left": dict(eye), "right": dict(eye) | changes}, "filenames": names}


def mat(content, **keywords):
    file = io.BytesIO()
    scipy.io.savemat(file, content, **keywords)
    return file.getvalue()


def mpii_inputs(rng):
    """(bytes of a .mat, may it be read all the same)."""
    whole = day()
    plain, packed = mat(whole), mat(whole, do_compression=True)
    nan, far = np.tile([0.0, 0.6, -0.8], (4, 1)), np.tile([0.0, 0.6, 0.8], (4, 1))
    nan[2, 1] = np.nan
    image = whole["data"]["left"]["image"]
    changes = [
        *({"gaze": value} for value in (nan, far, nan[:3], np.zeros((4, 3)), np.ones((4, 2)))),
        *({"gaze": value} for value in ("text", np.array([["a"]], object), far * 5, far.T)),
        *({"pose": value} for value in (nan, np.ones((4, 4)), np.full((4, 3), 99.0), {})),
        *({"image": value} for value in (image[:3], image[:, :30], image.astype(float), image[0])),
        *(
            {"image": value}
            for value in (image.transpose(0, 2, 1), "pixels", np.zeros((0, 36, 60)))
        ),
    ]
    for change in changes:
        yield mat(day(**change)), False
    for missing in ("image", "gaze", "pose"):
        content = day()
        del content["data"]["right"][missing]
        yield mat(content), False
    for data in ({}, 3.0, "x", {"left": whole["data"]["left"]}):
        yield mat(whole | {"data": data}), False
    for names in (np.zeros(4), "one.jpg", np.array([["a.jpg"]] * 4, object), np.array([1.0, 2.0])):
        yield mat(whole | {"filenames": names}), False
    yield mat({"data": whole["data"]}), False
    yield mat({"x": np.zeros((6000, 6000)), **whole}, do_compression=True), False
    others = [b"", b"MATLAB 5.0", bytes(500), plain[:128], plain[:127], zip_bomb()]
    for other in (*others, pickle.dumps(Owned()), b"\x89HDF\r\n\x1a\n" + bytes(900)):
        yield other, False
    for _ in range(100):
        yield cut(plain[:-200], rng), False
        yield cut(packed[:-20], rng), False
    head = plain[:128]
    for _ in range(150):
        # Into the structure, where lengths and types are.
        broken = bytearray(plain)
        for _ in range(rng.randrange(1, 5)):
            place = rng.choice([128, 8900, 17700]) + rng.randrange(400)
            broken[place % len(broken)] = rng.choice(
                [0, 1, 3, 14, 15, 127, 255, rng.randrange(256)]
            )
        yield bytes(broken), True
        body = zlib.compress(bytes(broken[128:]))
        yield head + struct.pack("<II", 15, len(body)) + body, True
        yield flipped(packed, rng), True


def test_mpii_gaze(tmp_path):
    path, listed = tmp_path / "day01.mat", tmp_path / "p00.txt"
    listed.write_text("day01/0001.jpg left\n")
    count = 0
    for content, harmless in mpii_inputs(random.Random(1)):
        path.write_bytes(content)
        arguments = (str(path), str(listed), "p00", "day01")
        chunk = attempt(lambda arguments=arguments: mpii_work(*arguments, "stop", ()))
        counted = attempt(lambda arguments=arguments: mpii_work(*arguments, "skip", ()))
        assert (chunk is None) == (len(counted.faults) > 0)
        if chunk is not None:
            assert harmless
            gaze = chunk.examples["gaze"]
            np.testing.assert_allclose(np.linalg.norm(gaze, axis=1), 1, atol=1e-5)
            assert chunk.examples["image"].shape == (len(gaze), 36, 60, 1)
            assert np.isfinite(chunk.examples["head_pose"]).all()
        count += 1
    assert count > 600
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize(
    "line",
    [
        "../../../etc/passwd left",
        "/etc/passwd left",
        "day01/../../../0001.jpg left",
        "day01/0001.jpg middle",
        "day01/0001.jpg",
        "day1/0001.jpg left",
        "day01/0001.jpg left extra",
        "day01/0009.jpg left",
        "\x00",
        "day01/" + "0" * 10_000 + ".jpg left",
        "ä",
    ],
)
def test_list_files_of_mpii_gaze(line, tmp_path):
    (tmp_path / "day01.mat").write_bytes(mat(day()))
    (tmp_path / "p00.txt").write_text(f"day01/0002.jpg right\n{line}\n")
    arguments = (str(tmp_path / "day01.mat"), str(tmp_path / "p00.txt"), "p00", "day01")
    assert attempt(lambda: mpii_work(*arguments, "stop", ())) is None
    chunk = mpii_work(*arguments, "skip", ())
    assert len(chunk.faults) == 1
    assert len(chunk.examples["gaze"]) == 8


def nyu_inputs(rng):
    """(bytes of a PNG, joints, may it be read all the same)."""
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[200:300, 250:350] = (0, 700 // 256, 700 % 256)
    joints = np.tile([300.0, 250.0, 700.0], (36, 1))

    def png(array):
        file = io.BytesIO()
        Image.fromarray(array).save(file, "PNG")
        return file.getvalue()

    whole = png(pixels)
    for other in (pixels[:, :600], pixels[..., 0], pixels.astype(np.uint16)[..., 1] * 300):
        yield png(other), joints, False
    yield png(pixels[::2, ::2]), joints, False
    yield png(np.zeros_like(pixels)), joints, False
    for u, v, d in ((900, 250, 700), (300, -500, 700), (300, 250, 0), (300, 250, 1e9), (9, 9, 700)):
        yield whole, np.tile([float(u), float(v), float(d)], (36, 1)), False
    for other in (b"", zip_bomb(), png_header(640, 480), png_header(2**31 - 1, 2**31 - 1)):
        yield other, joints, False
    for _ in range(60):
        yield cut(whole[:-60], rng), joints, False
    for _ in range(60):
        yield flipped(whole, rng), joints, True


def test_nyu_hand(tmp_path):
    path = tmp_path / "test/depth_1_0000001.png"
    path.parent.mkdir()
    for content, joints, harmless in nyu_inputs(random.Random(2)):
        path.write_bytes(content)
        work = (str(tmp_path), "test", "real", 1, 224)
        last = (range(1, 2), joints[None], ())
        chunk = attempt(lambda work=work, last=last: nyu._work(*work, "stop", *last))
        counted = attempt(lambda work=work, last=last: nyu._work(*work, "skip", *last))
        assert (chunk is None) == (len(counted.faults) == 1)
        assert chunk is None or harmless


@pytest.mark.parametrize("shape", [(3, 5, 36, 2), (2, 5, 36, 3), (5, 36, 3), (3, 0, 36, 3)])
def test_joint_data_of_another_shape(shape, tmp_path):
    path = tmp_path / "train/joint_data.mat"
    path.parent.mkdir()
    path.write_bytes(mat({"joint_uvd": np.ones(shape)}))
    if 0 in shape:
        jobs = nyu_hand.NyuHand(config="real_1", data_dir=tmp_path).jobs(tmp_path, "stop")
        assert jobs == {"train": []}
    else:
        with pytest.raises(
            UserError, match=r"joint_data\.mat: joint_uvd: found .* expected numbers"
        ):
            nyu.all_joints(path)


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


def test_chunks_are_read_without_unpickling(tmp_path):
    job = Job(_one, (), 1)
    path = tmp_path / f"{job.fingerprint()}.npz"
    for content in (pickle.dumps(Owned()), zip_bomb(), b"", b"PK\x03\x04"):
        path.write_bytes(content)
        assert len(list(run([job], tmp_path, Pool(1), "x"))) == 1
    objects = io.BytesIO()
    np.savez(objects, faults=np.array([Owned()], object))
    path.write_bytes(objects.getvalue())
    assert len(list(run([job], tmp_path, Pool(1), "x"))) == 1
    assert not Path("/tmp/owned").exists()


def _one():
    return Chunk({"name": np.array(["a"])}, [])


def test_absent_sets_are_named(tmp_path):
    with pytest.raises(UserError, match="not prepared"):
        mpii_gaze.load(data_dir=str(tmp_path / "no such folder"))
