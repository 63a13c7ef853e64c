import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import simgan_jax

ROOT = Path(__file__).parent.parent
COMMANDS = {
    "train": "main",
    "evaluate": "evaluate",
    "refine": "refine",
    "export": "export",
    "report": "report",
    "prepare": "data.prepare",
    "demo": "demo",
}
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs")
BUILD = "import sys; from setuptools import build_meta as b; b.build_{}(sys.argv[1])"


def build(folder, kind):
    """Builds in a copy, since setuptools writes beside what it packs."""
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT, dirs_exist_ok=True)
    command = [sys.executable, "-c", BUILD.format(kind), str(folder)]
    done = subprocess.run(
        command, cwd=folder / "source", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    (path,) = build(tmp_path_factory.mktemp("wheel"), "wheel").glob("*.whl")
    with zipfile.ZipFile(path) as file:
        yield file


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    files = [x for x in (ROOT / "simgan_jax").rglob("*") if x.is_file()]
    expected = {x.relative_to(ROOT).as_posix() for x in files if "__pycache__" not in x.parts}
    # The folder at the top of a clone takes the place of the package that stands for it there.
    expected |= {f"simgan_jax/configs/{x.name}" for x in (ROOT / "configs").glob("*.py")}
    assert "simgan_jax/py.typed" in expected
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_version_licence_and_readme_are_in_the_wheel(wheel):
    info = f"simgan_jax-{simgan_jax.__version__}.dist-info"
    metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert metadata["Version"] == simgan_jax.__version__
    assert metadata["License-Expression"] or metadata["License"] == "Apache-2.0"
    assert metadata.get_payload().startswith("# simgan_jax")
    assert set(metadata.get_all("Provides-Extra")) == {
        "benchmark",
        "browser",
        "demo",
        "docs",
        "onnx",
        "test",
    }


def test_every_command_of_the_wheel_starts_a_module_that_exists(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    commands = re.findall(r"^(\S+) = (simgan_jax\.\S+):run$", wheel.read(name).decode(), re.M)
    each = {f"simgan-{verb}": f"simgan_jax.{x}" for verb, x in COMMANDS.items()}
    assert dict(commands) == {"simgan": "simgan_jax.__main__"} | each


def test_the_sdist_holds_what_a_clone_holds(tmp_path):
    (path,) = build(tmp_path, "sdist").glob("*.tar.gz")
    with tarfile.open(path) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for name in ("configs/gaze.py", "experiments/colab.ipynb", "tests/conftest.py", "CHANGELOG.md"):
        assert name in names


def test_the_newest_released_entry_of_the_changelog_is_this_version():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert released[0] == simgan_jax.__version__


def start(verb, *arguments, cwd=ROOT):
    """Starts a command as the script does that pip installs: with a path of its own, as `__main__`."""
    code = f"import sys; from simgan_jax.{COMMANDS[verb]} import run; sys.argv[0] = 'x'; run()"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_does_what_its_module_does():
    done = start("export", "--workdir=nowhere", "--format=npz", "--output=a.npz")
    assert done.returncode == 2
    assert done.stderr.startswith("simgan: nowhere/config.json: no such file")


def test_help_of_a_command_is_that_of_its_module():
    help_text = start("report", "--help").stdout
    assert help_text.startswith("One self-contained page about a run")
    assert "\n  --workdir: Folder of the run.\n" in help_text


def test_a_command_finds_configurations_in_the_current_folder(tmp_path):
    (tmp_path / "others.py").write_text("from configs.gaze import get_config\n")
    (tmp_path / "mine.py").write_text(
        "import others\n\n\ndef get_config():\n    return others.get_config('tiny')\n"
    )
    done = start(
        "train", "--config=mine.py", "--dry_run", f"--workdir={tmp_path}/run", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_importing_a_command_defines_no_flags():
    code = (
        "import importlib; from absl import flags; "
        f"[importlib.import_module('simgan_jax.' + x) for x in {list(COMMANDS.values())}]; "
        "print([x for x in flags.FLAGS.flags_by_module_dict() if 'simgan' in x])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
