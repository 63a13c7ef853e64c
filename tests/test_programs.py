"""Compiled programs that commands keep."""

import os
import stat
import subprocess
import sys

import jax
import pytest

from simgan_jax.io.programs import keep_programs

COMMAND = """
import jax
from simgan_jax import command
def main(argv):
    print(jax.jit(lambda x: 2 * x)(21))
command.run(main)
"""


def run(caches, **settings):
    """A command that compiles, where only `settings` say something of JAX's cache: what it prints."""
    env = {name: x for name, x in os.environ.items() if not name.startswith("JAX_")}
    env |= {"XDG_CACHE_HOME": str(caches), "JAX_PLATFORMS": "cpu"} | settings
    done = subprocess.run([sys.executable, "-c", COMMAND], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_command_keeps_its_programs_privately_and_compiles_damaged_ones_anew(tmp_path):
    assert run(tmp_path) == "42\n"
    folder = tmp_path / "simgan_jax" / "programs"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    programs = list(folder.glob("*-cache"))
    assert programs
    named = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    for settings in ({}, named):
        for program in programs:
            program.write_bytes(program.read_bytes()[:9])
        assert run(tmp_path, **settings) == "42\n"


@pytest.fixture
def settings(monkeypatch):
    """JAX's own, of which nothing is said in the environment; put back afterwards."""
    names = [
        "jax_compilation_cache_dir",
        "jax_compilation_cache_max_size",
        "jax_persistent_cache_min_compile_time_secs",
    ]
    before = {name: getattr(jax.config, name) for name in names}
    for name in names:
        monkeypatch.delenv(name.upper(), raising=False)
    jax.config.update("jax_compilation_cache_dir", None)
    yield lambda: {name.removeprefix("jax_"): getattr(jax.config, name) for name in names}
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_programs_lie_in_the_users_cache_folder_and_are_bounded(
    settings, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep_programs()
    assert settings() == {
        "compilation_cache_dir": str(tmp_path / "simgan_jax" / "programs"),
        "compilation_cache_max_size": 2**30,
        "persistent_cache_min_compile_time_secs": 0.0,
    }


def test_a_folder_that_the_user_has_named_stays_as_it_is(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "elsewhere")
    before = settings()
    keep_programs()
    assert settings() == before
    assert not list(tmp_path.iterdir())


def test_without_a_folder_to_write_nothing_is_kept(settings, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    keep_programs()
    assert settings()["compilation_cache_dir"] is None
