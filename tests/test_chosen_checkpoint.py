"""Which checkpoint of a run is used."""

import jax
import numpy as np
import pytest
from test_checkpoint import state_at
from test_damaged_checkpoints import contents, flip

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.evaluation.choice import judge_checkpoints
from simgan_jax.refinement.chosen_checkpoint import read_choice, restore_refiner, write_choice
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, provenance
from simgan_jax.training.checkpoint import FOLDER, Checkpoints, DamagedCheckpoint
from simgan_jax.training.provenance import read_config


def run_of(config, workdir, steps):
    """A run's folder with checkpoints of these steps, each with its own seed; their states."""
    setup = devices.distribute(make_setup(config), devices=1)
    provenance.claim(workdir, config)
    states = {step: state_at(step, setup, seed=step) for step in steps}
    for state in states.values():
        Checkpoints(workdir).save(state, setup)
    return states


def test_the_chosen_checkpoint_is_refined_with_else_the_newest(tmp_path, tiny_config):
    states = run_of(tiny_config, tmp_path, [1, 2])
    assert restore_refiner(tmp_path)[2] == 2
    write_choice(tmp_path, {"step": 1})
    config, params, step, histograms = restore_refiner(tmp_path)
    assert step == 1
    assert histograms is None
    assert config.to_dict() == read_config(tmp_path).to_dict()
    # The average is kept, and preferred.
    jax.tree.map(np.testing.assert_array_equal, params, states[1].ema)
    assert restore_refiner(tmp_path, step=2)[2] == 2


def test_without_an_average_the_trained_parameters_are_refined_with(tmp_path, tiny_config):
    tiny_config.train.ema = 0.0
    states = run_of(tiny_config, tmp_path, [3])
    assert states[3].ema is None
    params = restore_refiner(tmp_path)[1]
    jax.tree.map(np.testing.assert_array_equal, params, states[3].refiner.params)


def test_a_chosen_checkpoint_that_is_gone_gives_way_to_the_newest(tmp_path, tiny_config):
    run_of(tiny_config, tmp_path, [2])
    write_choice(tmp_path, {"step": 1})
    assert restore_refiner(tmp_path)[2] == 2


def test_a_run_without_checkpoint_says_how_to_get_one(tmp_path, tiny_config):
    provenance.claim(tmp_path, tiny_config)
    with pytest.raises(UserError, match="no checkpoint yet; train first"):
        restore_refiner(tmp_path)


def damage(workdir, step):
    flip(workdir / FOLDER / str(step) / "digest" / "metadata")


def test_a_damaged_choice_gives_way_to_the_one_before(tmp_path, tiny_config, capfd):
    run_of(tiny_config, tmp_path, [1, 2, 3])
    write_choice(tmp_path, {"step": 2})
    damage(tmp_path, 2)
    before = contents(tmp_path)
    assert restore_refiner(tmp_path)[2] == 1
    assert contents(tmp_path) == before
    assert "checkpoints/2 is damaged" in capfd.readouterr().err


def test_a_damaged_checkpoint_that_is_asked_for_is_an_error(tmp_path, tiny_config):
    run_of(tiny_config, tmp_path, [1, 2])
    damage(tmp_path, 2)
    with pytest.raises(DamagedCheckpoint, match=r"2 is damaged \(.*\); there are \[1, 2\]"):
        restore_refiner(tmp_path, step=2)


def test_a_damaged_checkpoint_is_left_out_of_the_choice(tmp_path, tiny_config, capfd):
    steps = [7, 8, 9]
    run_of(tiny_config, tmp_path, steps)
    damage(tmp_path, 8)
    before = contents(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 1), np.uint8)
    labels = {"pupil": np.full((8, 2), 12.0)}
    candidates = judge_checkpoints(tmp_path, Arrays(images, labels), images)
    assert [candidate.step for candidate in candidates] == [7, 9]
    assert "8 is damaged" in capfd.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_choice_is_read_as_written_and_a_damaged_one_is_none(tmp_path, capsys, content):
    assert read_choice(tmp_path) == {}
    write_choice(tmp_path, {"step": 3, "rule": "x"})
    assert read_choice(tmp_path) == {"step": 3, "rule": "x"}
    (tmp_path / "chosen.json").write_text(content)
    assert read_choice(tmp_path) == {}
    assert "chosen.json: is " in capsys.readouterr().err
