import subprocess
import sys

import pytest

from simgan_jax.io.locks import Held, holding

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
