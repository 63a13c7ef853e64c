"""One command with words, configurations by name, help on a screen."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from absl import flags

import simgan_jax.__main__ as simgan
from configs import folder, gaze, hand
from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.training.print_config import described

ROOT = Path(__file__).parents[1]
MINE = """
import beside
from simgan_jax.configs import hand

def get_config(variant=""):
    c = hand.get_config("tiny")
    c.name = beside.NAME
    return c
"""


def ask(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "simgan_jax", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["gaze", "hand", "folder"])
def test_shipped_configurations_go_by_name_with_their_variants(name):
    assert command.config_path(name) == str(ROOT / "configs" / f"{name}.py")
    assert command.config_path(f"{name}:tiny") == str(ROOT / "configs" / f"{name}.py:tiny")
    assert command.config_path(f"other/{name}.py:x") == f"other/{name}.py:x"


def test_a_configuration_anywhere_builds_on_the_shipped_ones_and_on_its_neighbours(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.py").write_text(MINE)
    (tmp_path / "a" / "beside.py").write_text("NAME = 'my_hands'\n")
    done = ask("train", f"--config={tmp_path}/a/mine.py", "--print_config", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\n--config.name=my_hands  # of the run; its folder" in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.parametrize("module", [gaze, hand, folder])
@pytest.mark.parametrize("variant", ["", "tiny", "paper"])
def test_every_setting_is_printed_with_its_meaning(module, variant):
    if module is folder and variant == "paper":
        pytest.skip("there is none")
    config = module.get_config(variant)
    lines = list(described(config))
    assert len(lines) == sum(1 for _ in _leaves(config.to_dict()))
    for line in lines:
        flag, meaning = line.split("  # ")
        assert "--config." in flag
        assert meaning.partition(" [")[0] not in ("", "likewise", "the same"), line
        assert meaning.endswith("]")


def _leaves(tree):
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, dict) else [value]


def test_a_word_that_is_no_command_is_named_with_the_nearest(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["simgan", "trian"])
    with pytest.raises(SystemExit) as ended:
        simgan.run()
    assert ended.value.code == 2
    said = "simgan: there is no command 'trian'; did you mean train?\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_the_command_alone_says_what_there_is(capsys, monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", ["simgan", *arguments])
    simgan.run()
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= 24
    for verb in simgan.VERBS:
        assert f"\n  simgan {verb} " in said


# What each command says to --help, a process of its own each, whose imports they share; tidying these
# up would take most of the time.
HELP = """
import importlib, os, sys
from simgan_jax.__main__ import VERBS
modules = {verb: importlib.import_module(name) for verb, name in VERBS.items()}
for verb, module in modules.items():
    print(f"== {verb}", flush=True)
    if not os.fork():
        try:
            module.run([f"simgan {verb}", "--help"])
        except SystemExit as ended:
            sys.stdout.flush()
            os._exit(ended.code)
    assert os.wait()[1] == 0
"""


def test_help_of_every_command_fits_a_screen():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HELP],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    pages = dict(page.split("\n", 1) for page in done.stdout.split("== ")[1:])
    assert pages.keys() == simgan.VERBS.keys()
    for verb, page in pages.items():
        assert ("\nflags:\n" in page) == (verb != "doctor")
        lines = page.splitlines()
        assert len(lines) <= 50
        assert max(map(len, lines)) <= 105


@pytest.mark.parametrize("platform", ["cuda", "nowhere"])
def test_a_platform_that_is_not_there_gets_one_line(platform):
    if platform == "cuda" and jax.default_backend() == "gpu":
        pytest.skip("it is there")
    code = "import jax; from simgan_jax import command; command.run(lambda argv: jax.devices())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": platform},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    said = f"simgan: JAX_PLATFORMS={platform}: JAX cannot use that here"
    assert done.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in done.stderr


def test_a_home_is_found_where_the_shell_does_not_look_for_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    found = command.with_paths(["x", "--workdir=~/runs/a", "--config.data.real.path=~", "--a=~b"])
    assert found == ["x", "--workdir=/home/me/runs/a", "--config.data.real.path=/home/me", "--a=~b"]


def test_what_is_empty_is_refused_and_not_taken_for_this_folder():
    values = flags.FlagValues()
    for name, default in (("input", None), ("workdir", None), ("copy", "")):
        flags.DEFINE_string(name, default, "", flag_values=values)
    own = [values[name] for name in ("input", "workdir", "copy")]
    values(["simgan refine", "--input=a", "--copy="])
    command.require_values([], own)
    values(["simgan refine", "--workdir="])
    with pytest.raises(UserError, match="--workdir is empty; give it a value"):
        command.require_values([], own)
    with pytest.raises(UserError, match="an argument is empty"):
        command.require_values([""], own[:1])
    for argv in (["x", "--config="], ["x", "--config", ""], ["x", "--config"]):
        with pytest.raises(
            UserError, match="--config is empty; the package has folder, gaze, hand"
        ):
            command.with_paths(argv)
