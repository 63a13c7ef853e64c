"""The tables of the report, cell by cell."""

from simgan_jax.reporting.painted import artefact_table
from simgan_jax.reporting.tables import (
    comparison_table,
    estimator_rows,
    people_table,
    realism_table,
    shift_table,
    words,
)


def test_the_worst_row_comes_first():
    errors = {
        "refined": 6.0,
        "real": 5.0,
        "mean_predictor": 10.0,
        "synthetic": 8.0,
        "matched": None,
    }
    rows = estimator_rows({"estimators": {name: {"error": x} for name, x in errors.items()}})
    assert [row["name"] for row in rows] == ["mean predictor", "synthetic", "refined", "real"]
    assert [row["share"] for row in rows] == [1.0, 0.8, 0.6, 0.5]


def test_words_in_the_rows_names_are_explained():
    rows = [{"name": "synthetic 4x augmented"}, {"name": "real"}]
    assert [word for word, _ in words(rows)] == ["4x", "augmented"]


def test_differences_show_both_intervals_and_whether_they_are_clear():
    listed = {"row": "refined", "against": "matched", "difference": -1.25, "clear": True}
    listed |= {"over_seeds": [-1.5, -1.0], "over_images": [-2.0, -0.5]}
    one_seed = {"row": "refined_4x", "against": "synthetic_4x", "difference": 0.5, "clear": False}
    table = comparison_table({"comparisons": [listed, one_seed]}, "°")
    assert table.rows == [
        ["refined against matched", "-1.25°", "-1.50 to -1.00", "-2.00 to -0.50", "less error"],
        ["refined 4x against synthetic 4x", "+0.50°", "unknown", "unknown", "not clear"],
    ]


def test_people_come_in_the_order_of_their_numbers_with_a_column_a_row():
    estimators = {
        "synthetic": {"participants": {"2": 8.0, "10": 6.0, "1": 7.0}},
        "refined": {"participants": {"2": 5.0, "10": 6.5, "1": 6.0}},
        "real": {"participants": {"2": 4.0}},
    }
    table = people_table({"estimators": estimators}, "°")
    assert table.columns == ["person", "synthetic", "refined", "real"]
    assert table.rows == [
        ["1", "7.00", "6.00", ""],
        ["2", "8.00", "5.00", "4.00"],
        ["10", "6.00", "6.50", ""],
    ]
    assert "for 2 of 3 people" in table.note


def test_there_is_no_table_of_people_where_they_are_not_known():
    assert people_table({"estimators": {"synthetic": {"error": 8.0}}}, "°") is None


def test_realism_has_a_column_a_set_and_leaves_out_arrays():
    realism = {
        "kid": 0.5,
        "kid_interval": [0.25, 0.75],
        "kid_synthetic": 5.0,
        "kid_real": -0.001,
        "discriminator_accuracy": {"synthetic": 0.75, "refined": 0.5},
        "spectrum": {"frequency": [0.1], "real": [1.0]},
    }
    table = realism_table({"realism": realism})
    assert [row[1:] for row in table.rows] == [
        ["5.00", "0.50 (0.25 to 0.75)", "0.00"],
        ["75%", "50%", ""],
    ]


def test_label_shift_says_what_was_lost_what_moved_and_where_to():
    shift = {
        "mean": 0.5,
        "std": 0.25,
        "interval": [0.4, 0.6],
        "followed": 0.75,
        "images": 64,
        "dx": -0.001,
        "dx_std": 0.5,
        "corners": {"left": [1.0, -2.0]},
        "estimate": {"mean": 1.5, "std": 0.5, "axes": {"yaw": {"bias": 0.5, "std": 0.25}}},
    }
    assert shift_table({"label_shift": shift}, "°").rows == [
        ["images whose content was found again", "75.0% of 64"],
        ["mean motion", "0.50 ± 0.25 px (0.40 to 0.60)"],
        ["drift to the right", "+0.00 ± 0.50 px"],
        ["drift of lids and corner left of the iris", "+1.00 px to the right, -2.00 px down"],
        ["change of what an estimator reads", "1.50 ± 0.50°"],
        ["its drift in yaw (left, right)", "+0.50 ± 0.25°"],
    ]


def test_artefacts_come_with_a_sentence_each():
    found = {
        "constant_share": {"share": 0.25, "interval": [0.2, 0.3]},
        "beyond_tone": {"share": 0.034},
        "own_pattern": {"share": -0.0001},
        "diversity": {"ratio": 0.9, "interval": [0.8, 1.0]},
        "darkest": {"x": 4, "y": -2, "change": -0.25, "from": "pupil"},
        "brightest": {"x": 5, "y": 0, "change": 0.125, "from": "upper left"},
    }
    rows = artefact_table({"artefacts": found}).rows
    assert [row[:2] for row in rows] == [
        ["common to all changes", "25% (20% to 30%)"],
        ["of this, a pattern", "3.4%"],
        ["of this, its own", "0.0%"],
        ["variety of refined images", "0.90 (0.80 to 1.00)"],
        ["darkest spot", "-0.25 at (4, -2)"],
        ["brightest spot", "+0.12 at (5, 0)"],
    ]
    assert "from the pupil" in rows[4][2]
    assert "from the upper left corner" in rows[5][2]


def test_what_was_not_measured_has_no_table():
    assert artefact_table({"artefacts": {}}) is None
    assert comparison_table({}, "°") is None
    assert realism_table({}) is None
    assert shift_table({"label_shift": {}}, "°") is None
