"""Files that are there whole, and JSON that any reader of JSON can read."""

import errno
import json
import os
import time

import pytest

from simgan_jax.errors import CannotWrite
from simgan_jax.io.atomic import replacing, write_json

NAN, INF = float("nan"), float("inf")


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("levels", [None, 1])
def test_what_is_not_finite_is_written_as_null(tmp_path, levels):
    content = {"shift": NAN, "each": [1.0, -INF, (INF, 2)], "in": {"x": NAN, "name": "NaN"}}
    write_json(tmp_path / "x.json", content, levels)
    found = json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    assert found == {
        "shift": None,
        "each": [1.0, None, [None, 2]],
        "in": {"x": None, "name": "NaN"},
    }


@pytest.mark.parametrize("number, there", [(errno.EIO, "old"), (errno.EINVAL, "new")])
def test_a_file_takes_its_place_when_the_disk_has_it_or_need_not(
    tmp_path, monkeypatch, number, there
):
    def fsync(_):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "x.json"
    write_json(path, {"is": "old"})
    monkeypatch.setattr(os, "fsync", fsync)
    if there == "old":
        with pytest.raises(CannotWrite, match="Input/output error"):
            write_json(path, {"is": "new"})
    else:
        write_json(path, {"is": "new"})
    assert json.loads(path.read_text()) == {"is": there}
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_goes_a_day_later_and_nothing_else_does(tmp_path):
    path, theirs = tmp_path / "x.json", tmp_path / ".simgan_notes.json"
    theirs.write_text("not written here")
    killed = replacing(path)
    left = killed.__enter__()
    left.write_text("half of")
    write_json(path, {"is": "whole"})
    assert left.exists()  # it may still be written
    long_ago = time.time() - 25 * 3600
    for file in (left, theirs):
        os.utime(file, (long_ago, long_ago))
    write_json(path, {"is": "new"})
    assert sorted(tmp_path.iterdir()) == [theirs, path]
