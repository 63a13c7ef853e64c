import json
import math
import shutil

import jax
import pytest

from simgan_jax.training import logs


def test_a_log_writes_one_object_a_line_with_step_and_phase(tmp_path):
    with logs.Log(tmp_path, 0, 2) as log:
        log.write(1, "refiner", {"refiner/loss": 0.5})
        log.write(2, "adversarial", {"refiner/loss": 0.25, "images_per_second": 7.0})
    lines = (tmp_path / logs.FILE).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "phase": "refiner", "refiner/loss": 0.5},
        {"step": 2, "phase": "adversarial", "refiner/loss": 0.25, "images_per_second": 7.0},
    ]
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_a_line_on_a_plain_terminal_says_where_the_run_is(tmp_path, capsys):
    with logs.Log(tmp_path, 0, 20) as log:
        log.write(5, "adversarial", {"images_per_second": 123.4, "discriminator/loss": 0.6931})
    out = capsys.readouterr().out
    assert "adversarial 5/20" in out
    assert "images/s 123" in out
    assert "D 0.693" in out


def test_resuming_forgets_what_was_written_after_the_checkpoint(tmp_path):
    with logs.Log(tmp_path, 0, 9) as log:
        for step in (1, 2, 3, 4):
            log.write(step, "refiner", {"x": float(step)})
    with logs.Log(tmp_path, 2, 9) as log:
        log.write(3, "refiner", {"x": 30.0})
    rows = logs.read(tmp_path / logs.FILE)
    assert [(row["step"], row["x"]) for row in rows] == [(1, 1), (2, 2), (3, 30)]
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path):
    path = tmp_path / logs.FILE
    path.write_text('{"step": 1, "phase": "refiner"}\n{"step": 2, "pha')
    assert logs.read(path) == [{"step": 1, "phase": "refiner"}]
    with logs.Log(tmp_path, 1, 9) as log:
        log.write(2, "refiner", {})
    assert [row["step"] for row in logs.read(path)] == [1, 2]


@pytest.mark.parametrize(
    "left", [b"", b"\0\0\0", b"\xff\xfe", b"[3]\n7\nnull\n{}\n", b'{"step": "x"}']
)
def test_what_a_power_cut_leaves_is_left_out(tmp_path, left):
    path = tmp_path / logs.FILE
    path.write_bytes(b'{"step": 1, "phase": "refiner"}\n' + left)
    with logs.Log(tmp_path, 1, 9) as log:
        log.write(2, "refiner", {})
    assert [row["step"] for row in logs.read(path)] == [1, 2]


def test_a_folder_that_is_removed_under_a_run_is_noticed(tmp_path):
    with logs.Log(tmp_path / "run", 0, 9) as log:
        log.write(1, "adversarial", {"refiner/change": 1.0})
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(FileNotFoundError, match=r"was removed .*run/metrics\.jsonl"):
            log.write(2, "adversarial", {"refiner/change": 1.0})


def test_no_file_is_no_rows(tmp_path):
    assert logs.read(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_value_that_is_not_finite_is_named(value):
    assert logs.first_not_finite({"a": 1.0, "b": value, "c": math.nan}) == "b"
    both = {"discriminator/loss": value, "refiner/change": 1.0, "refiner/loss": value}
    assert logs.first_not_finite(both) == "refiner/loss"


def test_finite_values_have_no_name():
    assert logs.first_not_finite({"a": 1.0, "b": -3e38}) is None


def test_other_processes_write_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with logs.Log(tmp_path, 0, 9) as log:
        log.write(1, "refiner", {"x": 1.0})
        log.say("hello")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""
