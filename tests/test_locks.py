import os
import subprocess
import sys

import pytest

from simgan_jax.errors import UserError
from simgan_jax.evaluation import run
from simgan_jax.io.locks import Held, alone, holding
from simgan_jax.io.locks import holder as holder_of
from simgan_jax.training.loop import LOCK, train

HOLD = """
import sys
from pathlib import Path
from simgan_jax.io.locks import holding

with holding(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_lock_names_the_process_that_holds_it_and_ends_with_it(holder, tmp_path):
    with pytest.raises(Held, match=f"^process {holder.pid} on "), holding(tmp_path / "lock"):
        pass
    holder.kill()
    holder.wait()
    with holding(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_once_in_a_process_too(tmp_path):
    with holding(tmp_path / "lock"), pytest.raises(Held), holding(tmp_path / "lock"):
        pass
    with holding(tmp_path / "lock"):
        pass


def test_a_lock_whose_file_was_removed_by_its_holder_is_taken_anew(tmp_path):
    with holding(tmp_path / "lock"):
        (tmp_path / "lock").unlink()
        with holding(tmp_path / "lock"):
            assert (tmp_path / "lock").exists()


def test_a_second_training_in_a_folder_is_told_who_is_there(tiny_config, tmp_path):
    with alone(tmp_path / LOCK, "trained"):
        said = (
            rf"{tmp_path} is being trained by process {os.getpid()} on \S+ since \d{{4}}-.*; wait"
        )
        with pytest.raises(UserError, match=said):
            train(tiny_config, tmp_path)
        assert holder_of(tmp_path / LOCK).startswith(f"process {os.getpid()} on ")
        assert not (tmp_path / "config.json").exists()
    assert holder_of(tmp_path / LOCK) is None


def test_a_second_evaluation_of_a_run_is_refused(bare):
    with (
        alone(bare / run.LOCK, "evaluated"),
        pytest.raises(UserError, match=f"{bare} is being evaluated by process {os.getpid()}"),
    ):
        run.evaluate_run(bare)


def test_a_folder_of_a_lock_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"file: cannot be written .*name another folder"),
        alone(tmp_path / "file" / LOCK, "trained"),
    ):
        pass
