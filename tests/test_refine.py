"""The command, from a run to files."""

import json
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forks import Process
from PIL import Image
from refiners import random_images, tree

from configs import gaze
from simgan_jax import data, make_setup
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.refine import parse_shard
from simgan_jax.refinement.folders import refine
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import Checkpoints


@pytest.mark.parametrize("text, shard", [("0/1", (0, 1)), ("1/4", (1, 4)), ("4/4", (0, 4))])
def test_shards_count_from_zero_or_from_one(text, shard):
    assert parse_shard(text) == shard


@pytest.mark.parametrize("text", ["", "1", "5/4", "-1/4", "0/0", "a/b"])
def test_impossible_shards_are_one_line(text):
    with pytest.raises(UserError, match="must be i/n"):
        parse_shard(text)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of configs/gaze.py:tiny with one checkpoint of random numbers."""
    folder = tmp_path_factory.mktemp("run")
    config = gaze.get_config("tiny")
    setup = devices.distribute(make_setup(config), devices=1)
    key = jax.random.key(0)
    shapes = jax.eval_shape(lambda: create_train_state(key, setup))
    random = np.random.default_rng(0)
    state = jax.tree.map(
        lambda x: jnp.asarray(random.normal(0, 0.3, x.shape), x.dtype), shapes.replace(key=None)
    ).replace(key=key, step=jnp.int32(7))
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    Checkpoints(folder).save(devices.place(state, setup), setup)
    return folder


def test_refine_uses_the_refiner_and_the_image_size_of_the_run(workdir, tmp_path):
    manifest = refine(workdir, "procedural_eyes:domain=simulator,count=3", tmp_path / "out")
    eyes = data.load({"source": "procedural_eyes", "domain": "simulator", "count": 3})
    expected = load_refiner(workdir)(eyes.images)
    picture = image_files.read(tmp_path / "out/0000002.png")
    np.testing.assert_array_equal(picture.pixels[0], expected[2])
    with np.load(tmp_path / "out/labels.npz") as labels:
        np.testing.assert_array_equal(labels["gaze"], eyes.labels["gaze"])
    assert manifest.about["model"]["step"] == 7


@pytest.mark.parametrize(
    "source, reason",
    [
        ("nowhere", "nowhere: no such folder, and no data source: "),
        ("procedural_eyes:count", "'count' is not of the form key=value"),
        ("procedural_eyes:size=3", "there is no setting 'size'"),
    ],
)
def test_inputs_that_do_not_exist_are_one_line(workdir, tmp_path, source, reason):
    with pytest.raises(UserError, match=reason):
        refine(workdir, source, tmp_path / "out")


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(UserError, match=rf"^{tmp_path}/config\.json: no such file"):
        refine(tmp_path, str(tmp_path), tmp_path / "out")


def test_killed_and_started_again_it_makes_the_files_of_an_unbroken_run(workdir, tmp_path):
    (tmp_path / "in").mkdir()
    for i, image in enumerate(random_images(600, 35, 55)):
        Image.fromarray(image).save(tmp_path / f"in/{i:03}.png")
    (tmp_path / "in/labels.csv").write_text("file,x\n")
    out = tmp_path / "out"
    command = ["-m", "simgan_jax.refine", f"--workdir={workdir}"]
    command += [f"--input={tmp_path / 'in'}", f"--output={out}"]
    killed = Process(command, tmp_path / "said")
    while killed.poll() is None and len(list(out.glob("*.png"))) < 40:
        time.sleep(0.005)
    killed.kill()
    assert killed.poll() == -signal.SIGKILL, "it was over before it could be killed"
    for path in out.glob("*.png"):
        assert image_files.read(path).pixels.shape == (1, 35, 55, 1)
    refine(workdir, str(tmp_path / "in"), out)
    refine(workdir, str(tmp_path / "in"), tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")
    assert len(tree(out)) == 602
