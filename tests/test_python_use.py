import json

import jax
import numpy as np
import pytest
from documents import block, blocks, smaller
from unity_export import export_unity_eyes

from configs import gaze
from simgan_jax import data, load_refiner, make_setup
from simgan_jax.data.prepare import prepare
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import Checkpoints

DOCUMENT = "docs/python.md"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Where the document's code runs: a folder with the run that it names."""
    folder = tmp_path_factory.mktemp("here")
    workdir = folder / "runs" / "gaze"
    workdir.mkdir(parents=True)
    config = gaze.get_config("tiny")
    config.refiner.features = 4
    (workdir / "config.json").write_text(json.dumps(config.to_dict()))
    setup = devices.distribute(make_setup(config), devices=1)
    state = create_train_state(jax.random.key(0), setup)
    Checkpoints(workdir).save(devices.place(state, setup), setup)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def run(word, changes):
    names = {}
    exec(smaller(block(DOCUMENT, "python", word), changes), names)
    return names


def eyes():
    return data.load({"source": "procedural_eyes", "count": 64, "height": 35, "width": 55})


def test_every_block_is_run_here():
    words = ("import optax", "import torch", "import grain", "tfds.data_source", "class UNet")
    codes = [code for _, code in blocks(DOCUMENT, "python")]
    assert codes == [block(DOCUMENT, "python", word) for word in words]


def test_a_jax_loop_trains_on_refined_batches():
    names = run("import optax", {"8000": "64", "batch=100": "batch=16", "epochs=3": "epochs=20"})
    batch = names["batch"]
    assert batch["image"].shape == (16, 35, 55, 1)
    # Predicting nothing has a loss of 1 / 3, for vectors of length 1.
    assert names["loss"] < 0.1


def test_a_pytorch_loop_trains_on_refined_batches():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    names = run("import torch", {"8000": "64", "batch=100": "batch=16", "epochs=3": "epochs=10"})
    assert names["images"].shape == (16, 1, 35, 55)
    assert -1 <= names["images"].min() < names["images"].max() <= 1
    assert names["loss"] < 0.2


def test_grain_batches_hold_refined_images_with_their_labels():
    pytest.importorskip("grain", reason="grain is not installed")
    batch = run("import grain", {"8000": "64", "batch(100)": "batch(16)"})["first"]
    images, gaze = load_refiner("runs/gaze")(eyes().images), eyes().labels["gaze"]
    rows = [int(np.argmin(np.abs(gaze - one).sum(axis=1))) for one in batch["gaze"]]
    assert rows != sorted(rows)
    np.testing.assert_array_equal(batch["image"], images[rows])


def test_a_tfds_data_source_is_refined_whole(folder):
    export_unity_eyes(folder / "unity", 8)
    prepare("unity_eyes", folder / "unity", folder / "tfds", workers=1)
    names = run("tfds.data_source", {"1000": "5"})
    assert names["start"] == 5
    last = names["source"][7]
    np.testing.assert_array_equal(names["gaze"][-1], last["gaze"])
    expected = load_refiner("runs/gaze")(last["image"][None])[0]
    np.testing.assert_array_equal(names["images"][-1], expected)


def test_train_step_trains_another_refiner():
    changes = {'"pixels"': '"tiny"', "range(1000)": "range(12)", "= 16": "= 4"}
    names = run("class UNet", changes)
    pictures, before = names["pictures"], names["synthetic"][:8]
    assert pictures.shape == before.shape
    assert pictures.dtype == np.uint8
    setup, metrics = names["setup"], names["metrics"]
    untrained = create_train_state(jax.random.key(0), setup).refiner.params
    first = setup.refine(untrained, names["to_unit"](before))
    change = np.abs(first - names["to_unit"](before)).mean()
    assert metrics["refiner/change"] < 0.8 * change
    assert int(names["state"].refiner.updates) == 24
