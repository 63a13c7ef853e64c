"""What would end an evaluation after hours of training is refused before the training."""

import os

import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import hand
from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.evaluation.readiness import require_ready
from simgan_jax.setup import make_setup
from simgan_jax.training import provenance
from simgan_jax.training.dry_run import dry_run
from simgan_jax.training.loop import load_sets, train


@pytest.fixture
def ready(tiny_config):
    """A configuration that can be evaluated, and its sets."""
    return tiny_config, *load_sets(tiny_config, make_setup(tiny_config))


def refused(config, synthetic, real, said):
    with pytest.raises(UserError, match=said) as caught:
        require_ready(config, synthetic, real)
    assert "\n" not in str(caught.value)


def test_what_can_be_evaluated_is_not_refused(ready):
    require_ready(*ready)


@pytest.mark.parametrize("level", ["quick", "full"])
def test_a_row_that_there_is_not_is_refused_at_either_level(ready, level):
    config, *sets = ready
    config.evaluate[level].rows = ("synthetic", "refind")
    refused(config, *sets, rf"config\.evaluate\.{level}\.rows: 'refind'")


def test_too_few_images_of_either_kind_are_refused(ready):
    config, synthetic, real = ready
    refused(config, synthetic[:15], real, "data.synthetic: 15 images; an evaluation needs 16")
    refused(config, synthetic, real[:7], "data.real: 7 images; an evaluation needs 8")
    config.task = "none"
    refused(config, synthetic[:3], real, "data.synthetic: 3 images")


def test_sets_smaller_than_an_estimators_batch_are_refused(ready):
    config, synthetic, real = ready
    config.evaluate.estimator.update(batch=64, micro_batch=8)
    refused(config, synthetic, real, r"24 labelled training images, 2 of them .* batch of 64")
    config.evaluate.estimator.update(batch=16)
    refused(config, synthetic, real[:12], r"12 labelled training images, .* batch of 16")
    config.evaluate.quick.rows = config.evaluate.full.rows = ("synthetic",)
    require_ready(config, synthetic, real[:12])


def test_a_set_without_the_label_or_with_one_that_is_not_finite_is_refused(ready):
    config, synthetic, real = ready
    refused(config, Arrays(synthetic.images), real, "config.data.synthetic has no labels")
    gaze = synthetic.labels["gaze"].copy()
    gaze[5, 1] = np.nan
    broken = Arrays(synthetic.images, {"gaze": gaze})
    refused(
        config, broken, real, r"config\.data\.synthetic: the label 'gaze' of image 5 .* not finite"
    )


def test_a_test_set_of_another_size_is_refused(ready):
    config, *sets = ready
    config.data.test = ConfigDict(config.data.test.to_dict() | {"height": 30})
    refused(config, *sets, r"config\.data\.test: images are \(30, 24, 1\)")


def test_labels_of_a_shape_that_no_estimator_has_are_refused(ready):
    config, synthetic, real = ready
    labels = {"gaze": np.zeros((len(synthetic), 2), np.float32)}
    said = r"no estimator of task 'gaze' .* 24 x 24 and labels gaze \(2,\)"
    refused(config, Arrays(synthetic.images, labels), real, said)


def test_hands_are_ready_too():
    config = hand.get_config("tiny")
    for name in ("synthetic", "real", "test"):
        config.data[name].count = 32
    require_ready(config, *load_sets(config, make_setup(config)))


@pytest.mark.parametrize("begin", [train, dry_run])
def test_a_run_that_cannot_be_evaluated_does_not_begin(tiny_config, tmp_path, begin):
    tiny_config.data.real.count = 1
    with pytest.raises(UserError, match=r"data\.real: 1 image; an evaluation needs 8"):
        begin(tiny_config, tmp_path / "run", require_ready)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize("begin", [train, dry_run])
def test_settings_of_a_data_set_that_there_are_not_are_named(tiny_config, tmp_path, begin):
    tiny_config.data.test.cuont = 3
    with pytest.raises(UserError, match=r"procedural_eyes: there is no setting 'cuont'; .* count"):
        begin(tiny_config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_refuses_a_folder_that_cannot_be_written_or_is_of_another_run(
    tiny_config, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match=r"cannot write there .*; give another --workdir"):
            dry_run(tiny_config, folder)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="cannot write there"):
        provenance.require_claimable(tmp_path / "run", tiny_config)


def test_a_dry_run_refuses_too_few_images_for_the_estimators_of_psi(tiny_config, tmp_path):
    tiny_config.loss.psi = "estimator"
    tiny_config.loss.reading.images = 8
    with pytest.raises(UserError, match="8 labelled training images, 1 of them for validation"):
        dry_run(tiny_config, tmp_path / "run")


def test_a_dry_run_refuses_other_data_than_those_of_the_run(bare):
    sets = {"synthetic": np.zeros((4, 2, 2, 1), np.uint8)}
    provenance.write(bare, provenance.read_config(bare), sets)
    provenance.require_same_data(bare, {"synthetic": sets["synthetic"] + 1})  # nothing is saved
    (bare / "checkpoints" / "3").mkdir(parents=True)
    provenance.require_same_data(bare, sets)
    with pytest.raises(UserError, match="the synthetic images have changed"):
        provenance.require_same_data(bare, {"synthetic": sets["synthetic"] + 1})


@pytest.mark.parametrize(
    "spec, said",
    [
        ({"source": "folder"}, "path is missing: of the folder"),
        ({"source": "folder", "path": 3}, "path is 3, must be a text"),
        ({"source": "folder", "path": "x", "patern": "*"}, "'patern'; did you mean pattern?"),
        ({"source": "folder", "path": "x", "convert": 1}, "convert is 1, must be True or False"),
        ({"source": "procedural_eyes", "count": -5}, "count is -5, must be a whole number"),
        ({"source": "procedural_eyes", "count": 2.5}, "count is 2.5, must be a whole number"),
        ({"source": "procedural_eyes", "count": True}, "count is True"),
        ({"source": "procedural_eyes", "kappa": (1.0,)}, "kappa is"),
        ({"source": "procedural_eyes", "distributions": [1]}, "must be settings by name or None"),
        ({"source": "fda", "images": {"source": "folder"}, "like": {}}, "path is missing"),
        ({"source": "fda", "images": {}, "like": {}, "beta": float("nan")}, "beta is nan"),
        ({"source": "concatenation", "parts": [{"source": "tabel"}]}, "'tabel' is unknown"),
        ({"source": "concatenation", "parts": "folder"}, "parts is 'folder', must be a list"),
        ({"source": "mpii_gaze", "days": (1, "x")}, r"days is \(1, 'x'\)"),
    ],
)
def test_what_a_data_source_does_not_take_is_one_line(spec, said):
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        data.check(spec)


def test_a_path_may_be_one_in_python_and_is_a_text_in_a_configuration(tmp_path):
    spec = {"source": "folder", "path": tmp_path / "none"}
    with pytest.raises(UserError, match="none: no such folder"):
        data.load(spec)
    with pytest.raises(UserError, match="give it as a text"):
        data.check(spec)


def test_what_a_data_source_takes_is_not_refused():
    data.check({"source": "mpii_gaze", "held_out": "p03", "days": [8, 10], "data_dir": None})
    data.check({"source": "procedural_eyes", "kappa": [-2.5, -5.8], "distributions": {"yaw": {}}})
    data.check({"source": "unity_eyes", "max_head_yaw": 20})
