"""A program whose output nobody takes any more goes on to its end."""

import os
import subprocess
import sys

import pytest

# Everything that speaks in this package: print, rich, warnings and logs of libraries, C's own streams.
SPEAKER = """
import logging, os, sys, warnings
from pathlib import Path
from absl import logging as absl
from rich.console import Console
from simgan_jax import command
from simgan_jax.errors import warn
from simgan_jax.io.progress import progress

def main(argv):
    console = Console()
    print("ready", flush=True)
    sys.stdin.read()
    for _ in range(200):
        print("x" * 1000, flush=True)
        console.print("y" * 1000)
        warn("z" * 1000)
        warnings.warn("w" * 1000)
        absl.warning("v" * 1000)
        logging.getLogger("orbax").warning("u" * 1000)
    with progress("work", 2) as advance:
        advance(1)
    Path("finished").write_text("")

command.run(main)
"""


def start(folder, output, **more):
    return subprocess.Popen(
        [sys.executable, "-c", SPEAKER],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        **more,
    )


def test_a_closed_output_stops_no_command(tmp_path):
    with start(tmp_path, subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.stdout.close()
        process.stdin.close()
        assert process.wait(60) == 0
    assert (tmp_path / "finished").exists()


def test_a_full_disk_under_the_output_stops_no_command(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "wb") as full, start(tmp_path, full) as process:
        process.stdin.close()
        assert process.wait(60) == 0
    assert (tmp_path / "finished").exists()


def test_no_output_at_all_stops_no_command(tmp_path):
    with start(tmp_path, None, preexec_fn=lambda: (os.close(1), os.close(2))) as process:
        process.stdin.close()
        assert process.wait(60) == 0
    assert (tmp_path / "finished").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_the_output_has_no_characters_for_is_shown_by_its_numbers(encoding):
    code = (
        "from simgan_jax.io import output; output.make_output_unbreakable(); "
        "print('a\\udcff\\u2014')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"a\\udcff")
