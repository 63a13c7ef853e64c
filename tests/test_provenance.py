"""What makes a run reproducible: its settings, its data, and every command that it ran under."""

import json
import sys

import jax
import numpy as np
import pytest

from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices, provenance
from simgan_jax.training.checkpoint import FOLDER, Checkpoints

SETS = {"synthetic": np.zeros((4, 2, 2, 1), np.uint8)}


def read(workdir):
    return json.loads((workdir / "environment.json").read_text())


def test_a_folder_belongs_to_one_configuration(tmp_path, tiny_config):
    tiny_config.train.batch = 2
    provenance.claim(tmp_path, tiny_config)
    tiny_config.train.batch = 8  # nothing has been saved: the first one may have been a mistake
    provenance.claim(tmp_path, tiny_config)
    assert json.loads((tmp_path / "config.json").read_text())["train"]["batch"] == 8
    setup = devices.distribute(make_setup(tiny_config))
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    Checkpoints(tmp_path).save(state, setup)
    provenance.claim(tmp_path, tiny_config)
    tiny_config.train.batch = 4
    tiny_config.seed = 1
    with pytest.raises(
        UserError, match=r"config\.seed is 0 there, 1 here, and 1 more differ; give another"
    ):
        provenance.claim(tmp_path, tiny_config)


def test_a_run_from_before_the_estimators_of_psi_goes_on(tmp_path, tiny_config):
    provenance.claim(tmp_path, tiny_config)
    setup = devices.distribute(make_setup(tiny_config))
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    Checkpoints(tmp_path).save(state, setup)
    old = json.loads((tmp_path / "config.json").read_text())
    del old["loss"]["reading"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    provenance.claim(tmp_path, tiny_config)
    tiny_config.loss.psi = "estimator"
    with pytest.raises(UserError, match=r"config\.loss\.psi is 'identity' there"):
        provenance.claim(tmp_path, tiny_config)


def test_a_run_from_before_a_setting_goes_on_with_what_it_did(tmp_path, tiny_config):
    tiny_config.loss.psi = "estimator"
    provenance.claim(tmp_path, tiny_config)
    (tmp_path / FOLDER / "0").mkdir(parents=True)
    old = json.loads((tmp_path / "config.json").read_text())
    for name in ("augmentation", "of", "target"):
        del old["loss"]["reading"][name]
    (tmp_path / "config.json").write_text(json.dumps(old))
    with pytest.raises(
        UserError, match=r"reading\.augmentation is \[1\.0\] there, \[1\.0, 0\.5, 1"
    ):
        provenance.claim(tmp_path, tiny_config)
    tiny_config.loss.reading.augmentation = (1.0,)
    provenance.claim(tmp_path, tiny_config)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, tiny_config):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write there .*give another --workdir"):
        provenance.claim(tmp_path / "file" / "run", tiny_config)


@pytest.mark.parametrize("ask", [provenance.claim, provenance.require_claimable])
def test_a_folder_whose_name_no_checkpoint_can_have_is_refused(tmp_path, tiny_config, ask):
    with pytest.raises(UserError, match="the name is no UTF-8"):
        ask(tmp_path / "run\udcff", tiny_config)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"config.json: no such file; --workdir"):
        provenance.read_config(tmp_path)
    with pytest.raises(UserError, match=r"config.json: no such file; --workdir"):
        provenance.read_config(tmp_path / "file" / "run")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\0\0\0", b"\xff\xfe{}"])
def test_a_damaged_configuration_is_named(tmp_path, content):
    leave(tmp_path / "config.json", content)
    with pytest.raises(UserError, match=r"config\.json: is .*; restore it or train anew") as caught:
        provenance.read_config(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", '{"data": {"synth', "[]", "\0\0", b"\xff"])
def test_a_damaged_environment_does_not_stop_a_run_that_goes_on(
    tiny_config, tmp_path, capsys, content
):
    leave(tmp_path / "environment.json", content)
    provenance.write(tmp_path, tiny_config, SETS, step=3)
    assert "environment.json: is " in capsys.readouterr().err
    assert read(tmp_path)["data"]["synthetic"]["shape"] == [4, 2, 2, 1]


def leave(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_a_resumed_run_keeps_what_began_it_and_adds_what_it_went_on_with(
    tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["/bin/main.py", "--config=first"])
    provenance.write(tmp_path, tiny_config, SETS)
    began = read(tmp_path)
    assert began["command"] == ["main.py", "--config=first"]
    assert began["packages"]["jax"] == jax.__version__
    assert "resumed" not in began
    # As if from a machine with another accelerator and older packages.
    began |= {"device": "4 x H200 (gpu)", "packages": {"jax": "0.1"}}
    (tmp_path / "environment.json").write_text(json.dumps(began))
    for step in (3, 5):
        monkeypatch.setattr(sys, "argv", ["/bin/main.py", f"--config=again{step}"])
        provenance.write(tmp_path, tiny_config, SETS, step)
    found = read(tmp_path)
    resumed = found.pop("resumed")
    assert found == began
    assert [part["step"] for part in resumed] == [3, 5]
    assert [part["command"][1] for part in resumed] == ["--config=again3", "--config=again5"]
    assert {part["packages"]["jax"] for part in resumed} == {jax.__version__}
    assert provenance.devices_used(read(tmp_path)) == "4 x H200 (gpu), then 4 x cpu (cpu)"


def test_a_run_goes_on_with_its_own_data_alone(tiny_config, tmp_path):
    provenance.write(tmp_path, tiny_config, SETS)
    other = {"synthetic": np.ones((4, 2, 2, 1), np.uint8)}
    before = read(tmp_path)
    with pytest.raises(UserError, match="the synthetic images have changed"):
        provenance.write(tmp_path, tiny_config, other, step=3)
    assert read(tmp_path) == before
    # Nothing has been saved yet: it may begin again.
    provenance.write(tmp_path, tiny_config, other)
    assert read(tmp_path)["data"] != before["data"]


def test_the_parts_of_a_file_of_any_age_or_state_are_read():
    old = {"command": ["main.py"], "device": "1 x cpu (cpu)"}
    assert provenance.parts(old) == [old]
    assert provenance.parts(old | {"resumed": [{"step": 1}, 2]})[1:] == [{"step": 1}]
    assert provenance.devices_used({"resumed": 3}) == ""


def test_a_tree_is_flattened_by_dotted_names():
    assert provenance.flat({"a": {"b": 1, "c": [2, 3]}, "d": {}}) == {
        "a.b": 1,
        "a.c": [2, 3],
        "d": {},
    }
    assert provenance.flat({"a": [{"b": 1}, {"b": 2}]}) == {"a.1.b": 1, "a.2.b": 2}


def test_a_configuration_that_lacks_settings_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text('{"image": {"height": 24}}')
    with pytest.raises(UserError, match=r"config\.json: lacks settings of a run"):
        provenance.read_setup(tmp_path)


def test_a_run_keeps_its_identity_and_another_has_another(tmp_path, tiny_config):
    found = []
    for name in ("ours", "ours", "theirs"):
        (tmp_path / name).mkdir(exist_ok=True)
        provenance.write(tmp_path / name, tiny_config, SETS)
        found.append(read(tmp_path / name)["run"])
    assert found[0] == found[1] != found[2]
    (tmp_path / "ours" / "environment.json").unlink()
    provenance.write(tmp_path / "ours", tiny_config, SETS, 3)
    assert read(tmp_path / "ours")["run"] is None, "its checkpoints have the old one"


def test_a_configuration_with_a_name_that_none_can_have_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text('{"a.b": 1}')
    with pytest.raises(UserError, match=r"config\.json: .*dots.*Restore it"):
        provenance.read_config(tmp_path)
