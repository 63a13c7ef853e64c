import json

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from configs import hand
from configs.gaze import get_config
from experiments import protocol, summary
from experiments.comparison import __main__ as comparison
from experiments.flags import QUICK
from experiments.gan_seeds import gan_seeds
from experiments.one_at_a_time import compare as one_at_a_time
from experiments.photographs import DATA, photographs
from experiments.sizes import FULL, SCHEDULE, sized
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


def summarize(*errors):
    return summary.summarize([summary.figures_of(report(each)) for each in errors])


def test_gain_and_gap_closed_are_ratios_of_means_over_runs():
    found = summarize(
        {"synthetic": 10.0, "refined": 7.0, "real": 4.0},
        {"synthetic": 4.0, "refined": 4.0, "real": 3.0},
    )
    assert found["gain"]["mean"] == pytest.approx(3 / 14)
    assert found["gain"]["interval"] is None, "two runs so far apart: the whole may be nothing"
    # The mean of the runs' own shares, 1/2 and 0, would be 1/4.
    assert found["gap_closed"]["mean"] == pytest.approx(3 / 7)
    assert found["gap_closed_within"]["mean"] == pytest.approx(3 / 7)
    assert found["bias/refined/pitch"]["mean"] == 1.0


def test_a_share_has_the_interval_of_its_ratio():
    runs = ({"synthetic": 10.0, "refined": x, "real": 5.0} for x in (5.0, 6.0, 7.0))
    found = summarize(*runs)["gap_closed"]
    # Saved are 5, 4 and 3 of 5: 4.3027 / sqrt(3) = 2.4841 to each side of 4.
    assert found["mean"] == pytest.approx(0.8)
    assert found["interval"] == pytest.approx([1.5159 / 5, 6.4841 / 5], abs=1e-4)
    assert summarize({"synthetic": 10.0, "refined": 6.0})["gain"]["interval"] is None


def test_no_gap_is_closed_where_there_is_none():
    found = summarize({"synthetic": 8.0, "refined": 9.0, "real": 8.5})
    assert found["gain"]["mean"] == pytest.approx(-0.125)
    assert "gap_closed" not in found


def test_the_spread_is_the_standard_deviation_of_the_runs():
    found = summarize(*({"synthetic": 8.0, "refined": x} for x in (5.0, 6.0, 7.0)))["error/refined"]
    assert found == {"mean": 6.0, "std": 1.0, "runs": [5.0, 6.0, 7.0]}
    assert summarize({"synthetic": 8.0, "refined": 5.0})["error/refined"]["std"] is None


def test_rows_are_compared_seed_by_seed():
    runs = ({"synthetic": 5.0 + x, "refined": 4.5 + 0.9 * x} for x in (0.0, 1.0, 2.0))
    errors, within = summary.comparisons(summarize(*runs))
    assert (errors["row"], errors["against"], errors["figure"]) == ("refined", "synthetic", "error")
    # Differences -0.5, -0.6, -0.7, though each row differs by a whole degree from seed to seed.
    assert errors["difference"] == pytest.approx(-0.6)
    assert errors["over_seeds"] == pytest.approx([-0.8484, -0.3516], abs=1e-4)
    assert errors["clear"]
    assert within["figure"] == "within"
    assert within["difference"] == pytest.approx(0.06)
    assert errors["over"] == "seeds"
    assert not summary.comparisons(summarize({"synthetic": 5.0, "refined": 1.0}))[0]["clear"]


@pytest.mark.parametrize(
    ("highs", "high", "clear"), [((-0.1, -0.3), -0.2, True), ((0.1, 0.3), 0.2, False)]
)
def test_a_difference_is_clear_where_other_test_images_would_not_undo_it(highs, high, clear):
    runs = [
        report({"synthetic": 5.0, "refined": 4.5 - x})
        | {"comparisons": [{"row": "refined", "against": "synthetic", "over_images": [-1.0, end]}]}
        for x, end in zip((0.0, 0.01), highs, strict=True)
    ]
    found = summary.summarize([summary.figures_of(run) for run in runs])
    errors, within = summary.comparisons(found)
    assert errors["over_seeds"][1] < -0.4, "over seeds alone it is clear"
    assert errors["over_images"] == pytest.approx([-1.0, high])
    assert errors["interval"] == pytest.approx([-1.0, high])
    assert errors["over"] == "seeds and test images"
    assert errors["clear"] == clear
    assert within["over"] == "seeds"
    assert within["interval"] == within["over_seeds"]


def test_a_label_shift_of_lost_content_is_marked_and_stands_for_nothing():
    figures = {"kid": 0.1, "label shift": 0.5, "followed": 1.0}
    runs = [figures | {"label shift": 0.5 + x} for x in (0.0, 0.01, 0.02)]
    lost = [figures | {"label shift": 0.1, "followed": 0.89}] * 3
    kid, shift = one_at_a_time.compare({"base": runs, "global": lost, "noise": runs})[:2]
    assert (kid["figure"], shift["figure"]) == ("kid", "label shift")
    assert shift["over_seeds"][1] < 0
    assert shift["lost"]
    assert not shift["clear"]
    unknown = [figures | {"label shift": None, "followed": 0.0}] * 3
    shift = one_at_a_time.compare({"base": runs, "global": unknown})[1]
    assert not shift["clear"]


def flags_given(full="false", quick="false", **more):
    """Flags of the experiments, as if they had been given on the command line."""
    return flagsaver.as_parsed((FULL, full), (QUICK, quick), **more)


def test_at_full_size_every_variant_has_the_paper_s_schedule_but_who_tries_another_length():
    variants = [get_config(), get_config("pixels"), get_config("pixels")]
    with flags_given(full="true"):
        found = [
            sized(config, ("refined",), longer)
            for config, longer in zip(variants, (1, 1, 4), strict=True)
        ]
    schedules = [[config.train[name] for name in SCHEDULE] for config in found]
    assert schedules[0] == [512, 10_000, 2, 1, 1000, 200]
    assert schedules[1] == schedules[0]
    assert schedules[2] == [512, 40_000, 2, 1, 1000, 200]
    assert {config.refiner.features for config in found} == {64}


def test_hands_that_begin_as_they_are_are_not_pre_trained_at_full_size_either():
    variants = [hand.get_config(), hand.get_config()]
    variants[1].train.pretrain_refiner = 300
    with flags_given(full="true"):
        found = [sized(config, ("refined",)).train.pretrain_refiner for config in variants]
    assert found == [0, 500]


def test_at_the_size_of_a_cpu_a_longer_variant_has_so_many_times_its_iterations():
    with flags_given():
        assert sized(get_config("pixels"), ("refined",), 4).train.steps == 2000


def test_one_seed_is_trained_alone_where_it_is_asked_for(monkeypatch):
    with flags_given(seed="2"):
        assert list(gan_seeds()) == [2]
    monkeypatch.setattr(flags.FLAGS["seed"], "present", True)  # parsed, and not given
    with flags_given(seeds="3"):
        assert list(gan_seeds()) == [0, 1, 2]
    with flags_given(seeds="3", quick="true"):
        assert list(gan_seeds()) == [0]


def test_missing_photographs_are_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.delenv(DATA, raising=False)
    with pytest.raises(UserError, match=DATA):
        photographs("eyes")
    monkeypatch.setenv(DATA, str(tmp_path))
    with pytest.raises(UserError, match="eyes"):
        photographs("eyes")
    (tmp_path / "eyes").mkdir()
    assert photographs("eyes") == [tmp_path / "eyes"]


def test_the_table_has_a_column_for_every_variant(capsys):
    one = summarize(*({"synthetic": 8.0, "refined": x} for x in (5.0, 7.0)))
    variants = dict.fromkeys(("one", "two", "three"), one)
    summary.show("errors", {"variants": variants}, ["one", "two"])
    printed = capsys.readouterr().out
    assert "one" in printed
    assert "two" in printed
    assert "three" not in printed
    assert printed.count("6 ± 1.41") == 2


def test_the_table_of_the_paper_s_figures_and_ours_is_of_the_stored_results():
    assert comparison.text() == (comparison.HERE / "table.md").read_text()


def test_a_report_has_the_rows_of_others_that_share_its_images_and_its_seed(tmp_path):
    runs = protocol.Runs(tmp_path, {"own": {"synthetic": ["other"]}})
    for variant, seed, errors in (
        ("own", 0, {"refined": 1.0, "mean_predictor": 9.0}),
        ("other", 0, {"synthetic_4x": 2.0, "refined": 3.0, "mean_predictor": 8.0}),
        ("own", 1, {"refined": 4.0}),
    ):
        folder = runs.workdir(variant, seed)
        folder.mkdir()
        (folder / "evaluation.json").write_text(json.dumps(report(errors)))
    found = [
        {name: row["error"] for name, row in each["estimators"].items()}
        for each in protocol.gather(runs, "own", [0, 1])
    ]
    assert found == [{"synthetic_4x": 2.0, "refined": 1.0, "mean_predictor": 9.0}, {"refined": 4.0}]


def test_rows_on_the_same_images_are_trained_once():
    variants = {name: get_config("tiny") for name in ("first", "same", "equalized", "both")}
    variants["same"].history.size = 0
    for name in ("equalized", "both"):
        variants[name].data.synthetic.equalized = True
    found = protocol.same_images(variants)
    assert found["same"]["synthetic"] == found["same"]["matched"] == ["first"]
    assert found["both"]["synthetic"] == ["equalized"]
    assert found["both"]["real"] == ["first", "same", "equalized"]


def test_a_figure_that_a_report_does_not_know_is_missing_in_the_table():
    known, unknown = report({"synthetic": 8.0}), report({"synthetic": 8.0})
    unknown["label_shift"]["mean"] = None  # nothing could be followed
    found = summary.summarize([summary.figures_of(x) for x in (known, unknown)])
    assert found["error/synthetic"]["mean"] == 8.0
    assert np.isnan(found["label_shift/mean"]["mean"])
    assert np.isnan(found["label_shift/mean"]["std"])
