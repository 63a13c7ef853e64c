import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds
from PIL import Image

from configs.hand import get_config
from simgan_jax.data import load, nyu_hand
from simgan_jax.data.depth import BACKGROUND, decode_depth
from simgan_jax.data.nyu_hand.builder import FOCAL, JOINT_NAMES, JOINTS, crop, decode, depth_mm
from simgan_jax.data.prepare import prepare
from simgan_jax.errors import UserError
from simgan_jax.estimators import tasks
from simgan_jax.estimators.settings import make_settings
from simgan_jax.models.hourglass import decode as decode_maps
from simgan_jax.ranges import to_unit
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training.probe import refine_probe

REAL = Path(os.environ.get("SIMGAN_TEST_DATA", "/nowhere")) / "nyu"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="SIMGAN_TEST_DATA has no folder nyu")


def write_depth(path, depth):
    pixels = np.zeros((*depth.shape, 3), np.uint8)
    pixels[..., 1], pixels[..., 2] = depth // 256, depth % 256
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_frame(rng, distance):
    """A flat square hand with a joint at each lattice point, before a wall; and the 36 joints."""
    u, v = rng.integers(200, 400), rng.integers(150, 300)
    depth = np.full((480, 640), 2000)
    depth[v - 50 : v + 51, u - 50 : u + 51] = distance
    depth[v - 50, u - 50] = 0  # no reading
    joints = np.zeros((36, 3))
    joints[:] = (u, v, distance)
    joints[:, 0] += rng.integers(-40, 41, 36)
    joints[:, 1] += rng.integers(-40, 41, 36)
    joints[:, 2] += rng.integers(-20, 21, 36)
    return depth, joints


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two views of 3 training frames and 2 test frames, real and synthetic; prepared."""
    folder, rng = tmp_path_factory.mktemp("nyu"), np.random.default_rng(0)
    written = {}
    for split, count in (("train", 3), ("test", 2)):
        joints = np.zeros((3, count, 36, 3))
        for view in (1, 2, 3):
            for frame in range(1, count + 1):
                depth, joints[view - 1, frame - 1] = make_frame(rng, 600 + 10 * frame)
                write_depth(folder / split / f"depth_{view}_{frame:07d}.png", depth)
                write_depth(folder / split / f"synthdepth_{view}_{frame:07d}.png", depth + 5)
                written[split, view, frame] = depth, joints[view - 1, frame - 1]
        names = np.array([[f"joint{i}"] for i in range(36)], object)
        scipy.io.savemat(
            folder / split / "joint_data.mat",
            {"joint_names": names, "joint_uvd": joints, "joint_xyz": joints},
            do_compression=True,
        )
    for name in ("nyu_hand", "nyu_hand/real_2"):
        prepare(name, folder, folder / "tfds", workers=1)
    return folder, written


def spec(folder, **keywords):
    return {"source": "nyu_hand", "data_dir": str(folder / "tfds"), **keywords}


def test_any_user_of_tfds_can_read_the_set(small):
    folder, written = small
    source = tfds.data_source("nyu_hand/real_1", split="train", data_dir=folder / "tfds")
    examples = {example["name"].decode(): example for example in source}
    assert sorted(examples) == [f"train/depth_1_{i:07d}.png" for i in (1, 2, 3)]
    example = examples["train/depth_1_0000002.png"]
    assert example["image"].shape == (224, 224, 1)
    assert example["image"].dtype == np.uint16
    np.testing.assert_allclose(example["all_joints_uvd"], written["train", 1, 2][1])


def test_depths_and_joints_come_back_through_the_crop(small):
    folder, written = small
    source = tfds.data_source("nyu_hand/real_1", split="train", data_dir=folder / "tfds")
    for example in source:
        depth, joints = written["train", 1, int(example["frame"])]
        u, v, centre = example["centre_uvd"].astype(np.float64)
        shown = decode_depth(example["image"][..., 0], centre)
        # Back to pixels of the sensor.
        rows, columns = np.indices((224, 224))
        side = 300 * FOCAL / centre
        at_u = np.rint(u + ((columns + 0.5) / 224 - 0.5) * side[0]).astype(int)
        at_v = np.rint(v + ((rows + 0.5) / 224 - 0.5) * side[1]).astype(int)
        true = depth[at_v, at_u]
        on_hand = (true > 0) & (true < 1000)
        np.testing.assert_allclose(shown[on_hand], true[on_hand], atol=0.01)
        assert (example["image"][..., 0][~on_hand] == 65535).all()
        np.testing.assert_array_equal(example["hand_mask"], np.where(on_hand, 255, 0))
        back = u + ((example["joints_uvd"][:, 0] + 0.5) / 224 - 0.5) * side[0]
        np.testing.assert_allclose(back, joints[list(JOINTS), 0], atol=1e-3)
        back = v + ((example["joints_uvd"][:, 1] + 0.5) / 224 - 0.5) * side[1]
        np.testing.assert_allclose(back, joints[list(JOINTS), 1], atol=1e-3)
        np.testing.assert_allclose(example["joints_uvd"][:, 2], joints[list(JOINTS), 2])


def test_real_and_synthetic_images_of_a_frame_are_cut_alike(small):
    real, synthetic = (load(spec(small[0], kind=kind)) for kind in ("real", "synthetic"))
    for name in ("frame", "centre_uvd", "joints_uvd"):
        order = [np.argsort(x.labels["frame"]) for x in (real, synthetic)]
        np.testing.assert_array_equal(real.labels[name][order[0]], synthetic.labels[name][order[1]])
    a, b = real.images[order[0]].astype(int), synthetic.images[order[1]].astype(int)
    both = (a < 65535) & (b < 65535)
    np.testing.assert_allclose((b - a)[both] * 300 / 65535, 5, atol=0.01)


def test_splits_views_and_kinds(small):
    folder, written = small
    assert len(load(spec(folder, split="train"))) == 3
    assert len(load(spec(folder, split="test"))) == 2
    assert len(load(spec(folder, split="train", count=2))) == 2
    second = load(spec(folder, view=2)).labels
    for frame, joints in zip(second["frame"], second["all_joints_uvd"], strict=True):
        np.testing.assert_allclose(joints, written["train", 2, int(frame)][1])


def test_smaller_sizes_keep_joints_on_the_same_spots(small):
    whole, half, quarter = (load(spec(small[0], height=s, width=s)) for s in (224, 112, 56))
    assert half.images.shape == (3, 112, 112, 1)
    np.testing.assert_array_equal(quarter.images, whole.images[:, 1::4, 1::4])
    np.testing.assert_allclose(
        quarter.labels["joints_uvd"][..., 0] * 4 + 1, whole.labels["joints_uvd"][..., 0], atol=1e-4
    )
    assert quarter.labels["hand_mask"].shape == (3, 56, 56)
    assert quarter.labels["px_per_mm"][0] == pytest.approx(56 / 300)


def test_names_and_joints_are_as_many():
    assert len(JOINT_NAMES) == len(JOINTS) == 14


def test_crop_beyond_the_border_has_no_reading():
    depth = np.arange(1, 13, dtype=np.uint16).reshape(3, 4)
    window = crop(depth, np.array([0.0, 0.0]), np.array([3.0, 3.0]), 3)
    np.testing.assert_array_equal(window, [[0, 0, 0], [0, 1, 2], [0, 5, 6]])


@pytest.mark.parametrize(
    "keywords,message",
    [
        ({"kind": "rgb"}, "no kind 'rgb'"),
        ({"view": 4}, "view 4"),
        ({"split": "val"}, "no split 'val'; prepared are test, train"),
        ({"height": 100, "width": 100}, "a whole part of 224"),
        ({"view": 3}, "nyu_hand/real_3 is not prepared"),
    ],
)
def test_mistakes_are_named(small, keywords, message):
    with pytest.raises(UserError, match=message):
        load(spec(small[0], **keywords))


def test_a_missing_set_says_which_files_go_where(tmp_path):
    with pytest.raises(UserError) as error:
        nyu_hand.load(data_dir=str(tmp_path))
    assert "train/joint_data.mat" in str(error.value)


@needs_real
def test_joints_of_the_genuine_frame_fall_on_its_hand():
    truth = json.loads((REAL / "test/depth_1_0000001.json").read_text())
    assert truth["joints"] == list(JOINTS)
    joints = np.full((36, 3), np.nan)
    joints[list(JOINTS)] = truth["uvd_mm"]
    path = REAL / "test/depth_1_0000001.png"
    example = decode(path, joints, 224)
    distance = decode_depth(example["image"][..., 0], float(example["centre_uvd"][2]))
    for u, v, d in example["joints_uvd"]:
        column, row = round(float(u)), round(float(v))
        around = (slice(row - 2, row + 3), slice(column - 2, column + 3))
        assert (example["hand_mask"][around] == 255).any()
        # A joint lies inside its finger: the skin is nearer by less than 40 mm, and hardly behind it.
        skin = np.median(distance[around][example["hand_mask"][around] == 255])
        assert -10 < d - skin < 40
    # The square of 300 mm holds the whole hand, and the wall is background.
    assert (example["joints_uvd"][:, :2] > 20).all()
    assert (example["joints_uvd"][:, :2] < 204).all()
    assert 0.05 < (example["hand_mask"] == 255).mean() < 0.5
    assert depth_mm(path).max() > 1000


@needs_real
def test_the_genuine_frame_passes_through_refiner_and_estimator():
    joints = np.full((36, 3), np.nan)
    truth = json.loads((REAL / "test/depth_1_0000001.json").read_text())
    joints[list(JOINTS)] = truth["uvd_mm"]
    image = decode(REAL / "test/depth_1_0000001.png", joints, 224)["image"][None]
    config = get_config("paper")
    config.refiner.update(features=2, blocks=1)
    config.history.size = 0
    setup = make_setup(config)
    state = create_train_state(jax.random.key(0), setup)
    refined = np.asarray(refine_probe(state.refiner.params, jnp.asarray(image), setup=setup))
    assert refined.shape == image.shape
    assert refined.dtype == np.uint16
    background = image == BACKGROUND
    np.testing.assert_array_equal(refined[background], image[background])
    assert (refined[~background] != image[~background]).any()
    config.evaluate.estimator.update(features=16, depth=1)
    settings = make_settings(config.evaluate.estimator.to_dict())
    estimator = tasks.TASKS["hand"].network(settings, joints[None, list(JOINTS)])
    unit = to_unit(jnp.asarray(refined))
    maps, _ = jax.jit(estimator.init_with_output)(jax.random.key(1), unit)
    assert maps.shape == (2, 1, 64, 64, len(JOINTS))
    uv = decode_maps(maps[-1], (224, 224))
    assert uv.shape == (1, len(JOINTS), 2)
    assert np.isfinite(uv).all()
