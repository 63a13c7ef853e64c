import pytest

from configs.gaze import get_config
from experiments import protocol
from simgan_jax.errors import UserError


def report(errors, checkpoint=1):
    """An evaluation.json of what the protocol reads."""
    row = {"axes": {"pitch": {"bias": 1.0, "error": 2.0}}}
    return {
        "checkpoint": checkpoint,
        "estimators": {
            name: row | {"error": error, "within": 1 - error / 10} for name, error in errors.items()
        },
        "label_shift": {"mean": 0.3, "std": 0.1, "dx": 0.0, "dy": -0.1},
        "realism": {
            "discriminator_accuracy": {"synthetic": 0.9, "refined": 0.6},
            "kid": 0.1,
            "kid_synthetic": 1.0,
            "kid_real": 0.0,
        },
    }


def test_gain_and_gap_closed_are_worked_out_from_the_errors():
    figures = protocol.figures_of(report({"synthetic": 8.0, "refined": 6.0, "real": 4.0}))
    assert figures["gain"] == pytest.approx(0.25)
    assert figures["gap_closed"] == pytest.approx(0.5)
    assert figures["gap_closed_within"] == pytest.approx(0.5)
    assert figures["bias/refined/pitch"] == 1.0


def test_no_gap_is_closed_where_there_is_none():
    figures = protocol.figures_of(report({"synthetic": 8.0, "refined": 9.0, "real": 8.5}))
    assert figures["gain"] == pytest.approx(-0.125)
    assert "gap_closed" not in figures


def test_the_spread_is_that_of_the_runs():
    reports = [report({"synthetic": 8.0, "refined": x}) for x in (5.0, 6.0, 7.0)]
    summary = protocol.summarize(reports)["error/refined"]
    assert summary == {"mean": 6.0, "std": 1.0, "runs": [5.0, 6.0, 7.0]}
    assert protocol.summarize(reports[:1])["error/refined"]["std"] is None


def test_missing_photographs_are_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.delenv(protocol.DATA, raising=False)
    with pytest.raises(UserError, match=protocol.DATA):
        protocol.photographs("eyes")
    monkeypatch.setenv(protocol.DATA, str(tmp_path))
    with pytest.raises(UserError, match="eyes"):
        protocol.photographs("eyes")
    (tmp_path / "eyes").mkdir()
    assert protocol.photographs("eyes") == [tmp_path / "eyes"]


def test_the_table_has_a_column_for_every_variant(capsys):
    reports = [report({"synthetic": 8.0, "refined": x}) for x in (5.0, 7.0)]
    summary = protocol.summarize(reports)
    variants = dict.fromkeys(("one", "two", "three"), summary)
    protocol.show("errors", {"variants": variants}, ["one", "two"])
    printed = capsys.readouterr().out
    assert "one" in printed
    assert "two" in printed
    assert "three" not in printed
    assert printed.count("6 ± 1.41") == 2


def test_rows_on_the_same_images_are_trained_once():
    variants = {name: get_config("tiny") for name in ("first", "same", "equalized", "both")}
    variants["same"].history.size = 0
    for name in ("equalized", "both"):
        variants[name].data.synthetic.equalized = True
    found = protocol.same_images(variants)
    assert found["same"]["synthetic"] == found["same"]["matched"] == ["first"]
    assert found["both"]["synthetic"] == ["equalized"]
    assert found["both"]["real"] == ["first", "same", "equalized"]
