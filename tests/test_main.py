"""A fresh user's command line: what a run leaves, and what each mistake gets."""

import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from forks import Process
from PIL import Image
from tiny import EVALUATION, ROOT, SETTINGS, arguments, environment

from configs import folder, gaze
from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.loop import load_sets, train
from simgan_jax.training.provenance import read_config

TINY = "--config=configs/gaze.py:tiny"
SMALL = SETTINGS | EVALUATION | {"evaluate.quick.rows": "('synthetic', 'refined')"}


def command_line(workdir):
    return [TINY, f"--workdir={workdir}", *arguments(SMALL)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run, and what the program said."""
    workdir = tmp_path_factory.mktemp("finished")
    answer = subprocess.run(
        [sys.executable, "-m", "simgan_jax.main", *command_line(workdir)],
        cwd=ROOT,
        env=environment(JAX_PLATFORMS="cpu"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    return workdir, answer.stdout


def test_a_run_leaves_all_that_the_readme_promises(finished):
    workdir, _ = finished
    run_it = (ROOT / "README.md").read_text().split("\n## ")[1]
    table = re.findall(r"^\| (`.+`) \| .+ \|$", run_it, re.MULTILINE)
    names = [name for row in table for name in re.findall(r"`(.+?)`", row)]
    assert len(names) >= 8
    for name in names:
        assert list(workdir.glob(name)), name
    assert list((workdir / "tensorboard").glob("events.*"))
    assert Checkpoints(workdir).steps() == [3, 6]


def test_the_last_line_says_what_to_open(finished):
    workdir, said = finished
    assert said.splitlines()[-1] == f"done: open {workdir / 'report.html'}"
    assert (workdir / "report.html").read_text().startswith("<!doctype html>")


def test_the_evaluation_has_the_names_that_others_rely_on(finished):
    workdir, _ = finished
    found = json.loads((workdir / "evaluation.json").read_text())
    assert {"synthetic", "refined", "mean_predictor"} <= found["estimators"].keys()
    for row in found["estimators"].values():
        assert {"error", "std", "within"} <= row.keys()
    assert {"mean", "std"} <= found["label_shift"].keys()
    assert {"kid", "discriminator_accuracy"} <= found["realism"].keys()
    assert {"synthetic", "refined"} == found["realism"]["discriminator_accuracy"].keys()
    assert found["seeds"] == 1


def test_the_same_command_again_trains_and_measures_nothing(finished, tmp_path):
    workdir, _ = finished

    def contents():
        files = (p for p in workdir.rglob("*") if p.is_file() and p.suffix != ".html")
        return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    before = contents()
    again = Process(["-m", "simgan_jax.main", *command_line(workdir)], tmp_path / "said", ROOT)
    assert again.wait() == 0, again.err
    assert again.out.splitlines() == [f"done: open {workdir / 'report.html'}"]
    assert contents() == before


def test_a_folder_of_another_configuration_is_refused(finished):
    workdir, _ = finished
    config = read_config(workdir)
    config.train.batch = 16
    with pytest.raises(UserError, match=r"config\.train\.batch is 8 there, 16 here; give another"):
        train(config, workdir)


# What the program says in one line: of a setting, of the devices, of the data.
MISTAKES = {
    (
        TINY,
        "--config.train.bacth=4",
    ): "--config.train.bacth=4: there is no setting bacth; did you mean batch?",
    (TINY, "--config.train.batch=four"): "four",
    (TINY, "--config.train.batch=6"): "config.train.batch 6 and config.history.size 64 must be "
    "multiples of 8 and 4 on 4 devices",
    (
        "--config=configs/folder.py:tiny",
        "--config.data.synthetic.path=no/renderings",
    ): "no/renderings: no such folder",
}


# Each mistake in a process of its own, whose imports they share: its words go to files, its status to
# the standard output.
MISTAKEN = """
import json, os, sys
from simgan_jax import main
for number, arguments in enumerate(json.loads(sys.argv[1])):
    if not os.fork():
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{sys.argv[2]}/{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        try:
            sys.argv = ["main", *arguments, f"--workdir={sys.argv[2]}/{number}"]
            main.run()
        except SystemExit as ended:
            sys.stdout.flush()
            os._exit(ended.code)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Status, output and errors that each mistake gets on four devices."""
    folder = tmp_path_factory.mktemp("mistakes")
    four = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_NUM_CPU_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MISTAKEN, json.dumps([*MISTAKES]), str(folder)],
        cwd=ROOT,
        env=environment(JAX_PLATFORMS="cpu", **four),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    said = [
        [(folder / f"{i}.{x}").read_text() for x in ("out", "err")] for i in range(len(MISTAKES))
    ]
    statuses = map(int, done.stdout.split())
    return {
        each: (status, *words) for each, status, words in zip(MISTAKES, statuses, said, strict=True)
    }


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.items())
def test_a_mistake_gets_one_clear_line_and_status_2(answers, arguments, said):
    status, out, err = answers[arguments]
    assert status == 2, err
    (line,) = err.strip().splitlines()
    assert line.startswith("simgan: ")
    assert said in line
    assert out == ""


def test_a_mistake_found_anywhere_is_printed_as_it_is(capsys):
    with pytest.raises(SystemExit) as ended:
        command.fail("data/[0042].png: 3 channels")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "simgan: data/[0042].png: 3 channels\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            AttributeError(KeyError('\'cuont\'\nDid you mean "count" instead of "cuont"?')),
            "--config.data.real.cuont=3: there is no setting cuont; did you mean count?",
        ),
        (
            KeyError('\'dta\'\nDid you mean "data" instead of "dta"?'),
            "--config.dta.real.count=3: there is no setting dta; did you mean data?",
        ),
        (AttributeError(KeyError("'zzz'")), "zzz: there is no setting zzz"),
        (
            KeyError("Attribute <class 'int'>.x does not exist"),
            "Attribute <class 'int'>.x does not exist",
        ),
        (flags.Error("flag --a=b:\n   not a number"), "flag --a=b: not a number"),
        (
            flags.Error("flag --a.b=2.5: invalid literal for int() with base 10: '2.5'"),
            "flag --a.b=2.5: expected a whole number",
        ),
        (
            flags.Error("flag --a.b=x: ('Non-boolean argument to boolean flag', 'x')"),
            "flag --a.b=x: expected True or False",
        ),
        (
            flags.Error("flag --a=3: Failed to parse '3' as a ConfigDict: `3` is not a dict."),
            "flag --a=3: is a group of settings; give one of them, see --print_config",
        ),
        (
            flags.Error("flag --a.b=x: could not convert string to float: 'x'"),
            "flag --a.b=x: expected a number",
        ),
        (
            ValueError(
                'parsing config file:\n\nTraceback:\n  File "x"\nValueError: no variant y\n'
            ),
            "no variant y",
        ),
        (
            OSError("not available: Failed\n  Attempted\n   [Errno 2] No such file: 'x.py'"),
            "No such file: 'x.py'; the package has folder, gaze, hand",
        ),
    ],
)
def test_what_the_parser_raises_becomes_one_line(error, line):
    argv = ["main", "--config.dta.real.count=3", "--config.data.real.cuont=3"]
    assert command.explain(error, argv) == line


@pytest.fixture
def own(tmp_path):
    """A configuration of two folders of three grey images, 24 x 24 pixels."""
    rng = np.random.default_rng(0)
    config = folder.get_config("tiny")
    config.image.height = config.image.width = 24
    for name in ("synthetic", "real"):
        (tmp_path / name).mkdir()
        config.data[name].path = str(tmp_path / name)
        for i in range(3):
            pixels = rng.integers(0, 256, (24, 24), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    return config


def told(config):
    """What loading a configuration's data raises, which is one line."""
    with pytest.raises(UserError) as caught:
        load_sets(config, make_setup(config))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_two_folders_are_enough(own):
    synthetic, real = load_sets(own, make_setup(own))
    assert synthetic.images.shape == real.images.shape == (3, 24, 24, 1)


def test_an_empty_folder_and_one_not_named_are_said(own, tmp_path):
    for image in (tmp_path / "real").iterdir():
        image.unlink()
    assert told(own).startswith(f"config.data.real: {tmp_path / 'real'}: no images there")
    own.data.real.path = ""
    assert "path is empty; name the folder of the images" in told(own)


def test_a_truncated_image_stops_the_run_or_is_skipped_and_counted(own, tmp_path, capsys):
    path = tmp_path / "real" / "1.png"
    path.write_bytes(path.read_bytes()[:300])
    assert told(own).startswith(f"config.data.real: {path}: ")
    own.data.real.on_error = "skip"
    _, real = load_sets(own, make_setup(own))
    assert len(real) == 2
    assert f"skipped 1 of 3 files; first {path}: " in capsys.readouterr().err


def test_mixed_channels_name_the_odd_image_and_the_way_out(own, tmp_path):
    path = tmp_path / "synthetic" / "2.png"
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(path)
    said = f"config.data.synthetic: {path}: 3 channels, the other 2 images have 1; convert it, or "
    assert told(own).startswith(said)
    own.data.synthetic.convert = True
    assert len(load_sets(own, make_setup(own))[0]) == 3


def test_images_of_another_depth_than_the_settings_say_are_refused(own, tmp_path):
    Image.fromarray(np.zeros((24, 24), np.uint16)).save(tmp_path / "real" / "0.png")
    said = "config.data.real: images are uint16, config.image.dtype says uint8; set that to uint16"
    assert told(own).startswith(said)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("domain", "camra", "camra"),
        ("source", "procedural_eye", "'procedural_eye' is unknown; one of concatenation, crops"),
    ],
)
def test_a_data_set_that_is_not_known_is_named(key, value, said):
    config = gaze.get_config("tiny")
    config.data.real[key] = value
    assert said in told(config)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("image", "height", 20, r"config\.image is 20 x 55, smaller than .* patch of 23 px"),
        ("train", "batch", 6, r"config\.train\.batch 6 .* multiples of 8 and 4 on 4 devices"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_a_folder_is_made(
    tmp_path, section, key, value, said
):
    config = gaze.get_config("tiny")
    config[section][key] = value
    with pytest.raises(UserError, match=said) as caught:
        train(config, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
