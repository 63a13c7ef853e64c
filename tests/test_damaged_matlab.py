"""Damaged files of MPIIGaze and NYU Hand: each gives one named error or a counted skip."""

import io
import pickle
import random
import struct
import zlib

import numpy as np
import pytest
import scipy.io
from damage import Owned, attempt, cut, flipped, png_header, zip_bomb
from PIL import Image

from simgan_jax.data import mpii_gaze, nyu_hand
from simgan_jax.data.mpii_gaze.builder import _work as mpii_work
from simgan_jax.data.nyu_hand import builder as nyu
from simgan_jax.errors import UserError


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


def test_mpii_gaze(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
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
    assert not (tmp_path / "owned").exists()


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


def test_days_that_a_list_of_mpii_gaze_names_must_be_there(tmp_path):
    person = tmp_path / "Data/Normalized/p00"
    listed = tmp_path / "Evaluation Subset/sample list for eye image/p00.txt"
    person.mkdir(parents=True)
    listed.parent.mkdir(parents=True)
    (person / "day01.mat").write_bytes(mat(day()))
    (person / "day02.mat").symlink_to("/nowhere/day02.mat")
    listed.write_text("day01/0002.jpg right\nday01/0009.jpg left\nday03/0001.jpg left\n")
    builder = mpii_gaze.MpiiGaze(data_dir=tmp_path)
    first = builder.jobs(tmp_path, "stop")["p00"][0]
    with pytest.raises(UserError, match=r"names day03, .* no day03\.mat \(--on_error=skip"):
        first.work(*first.arguments)
    chunks = [job.work(*job.arguments) for job in builder.jobs(tmp_path, "skip")["p00"]]
    assert [fault.split(": ", 1)[1] for chunk in chunks for fault in chunk.faults] == [
        "names day03, of which there is no day03.mat",
        f"day01/0009.jpg left is not in {person}/day01.mat",
        "a link to /nowhere/day02.mat, which is not there",
    ]
    assert len(chunks[0].examples["gaze"]) == 8


def test_a_depth_image_that_is_to_be_turned_is_refused(tmp_path):
    exif = Image.Exif()
    exif[274] = 3
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png", exif=exif)
    with pytest.raises(UserError, match=r"a\.png: an orientation tag"):
        nyu.depth_mm(tmp_path / "a.png")


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
