import time

from simgan_jax.io.progress import progress


def test_a_log_gets_a_line_with_the_time_left_every_half_minute(monkeypatch, capsys):
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    with progress("refining", total=9_500, done=500) as advance:
        for _ in range(7):
            now += 10
            advance(1_000)
    assert capsys.readouterr().err.splitlines() == [
        "refining 3,500/9,500, 100 images/s, 0:01:00 left",
        "refining 6,500/9,500, 100 images/s, 0:00:30 left",
    ]


def test_nothing_done_yet_is_no_reason_to_divide_by_zero(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    with progress("reading", total=10) as advance:
        now = 31
        advance(0)
    assert capsys.readouterr().err == "reading 0/10, 0 images/s, ? left\n"
