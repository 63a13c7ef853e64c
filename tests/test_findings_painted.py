"""What the report says of what a refiner has painted."""

import pytest
from test_examples import decode

from simgan_jax.reporting.painted import painted, painted_picture

CONFIG = {"loss": {"self_regularization": 0.5, "weight": {"label": "iris_mask"}}}


def evaluation(pattern=0.01, **more):
    figures = {"own_pattern": {"share": pattern, "interval": [pattern - 0.005, pattern + 0.005]}}
    return {"artefacts": figures | more}


@pytest.mark.parametrize(
    ("pattern", "status"), [(0.03, "good"), (0.031, "unclear"), (0.0351, "bad"), (0.5, "bad")]
)
def test_one_picture_may_be_three_hundredths_of_all_change(pattern, status):
    assert painted(CONFIG, evaluation(pattern)).status == status


@pytest.mark.parametrize(
    ("share", "interval", "status"),
    [
        (0.09, [0.07, 0.11], "good"),
        (0.12, [0.1, 0.14], "good"),
        (0.13, [0.11, 0.15], "unclear"),
        (0.27, [0.24, 0.29], "bad"),
    ],
)
def test_shadows_take_an_eighth_of_the_whites_at_most(share, interval, status):
    lost = {"share": share, "interval": interval}
    assert painted(CONFIG, evaluation(whites_lost=lost)).status == status


def test_the_answer_is_of_the_worst_measure():
    lost = {"share": 0.27, "interval": [0.24, 0.29]}
    finding = painted(CONFIG, evaluation(whites_lost=lost))
    assert finding.answer == "Yes: 27% of the whites of eyes became as dark as the iris."
    assert "(95% interval 24.0% to 29.0%); up to 12% count as none" in finding.detail
    assert finding.remedy[1] == "--config.loss.weight.label=eye_mask"
    hand = {"loss": {"self_regularization": 4.0, "weight": {"label": "hand_mask"}}}
    finding = painted(hand, evaluation(0.3))
    assert finding.answer == "Yes: 30% of the change is one picture, painted into every image."
    assert finding.remedy[1] == "--config.loss.self_regularization=8"
    assert painted(CONFIG, evaluation()).answer == "No: nothing that is measured."


@pytest.mark.parametrize("figures", [{}, {"artefacts": {}}, {"artefacts": {"own_pattern": None}}])
def test_what_was_not_measured_is_unknown(figures):
    assert painted(CONFIG, figures).status == "unknown"


def test_the_picture_is_blue_where_it_is_darker():
    found = painted_picture(
        {"artefacts": {"picture": {"thousandths": ["-250 0 ?", "125 0 0"], "centre": [1.0, 0.0]}}}
    )
    pixels = decode(found["uri"])
    assert pixels[0, 0].tolist() == [26, 133, 255, 255]
    assert pixels[0, 1, 3] == pixels[0, 2, 3] == 0
    assert pixels[1, 0].tolist() == [230, 97, 0, 127]
    assert (found["width"], found["height"], found["centre"]) == (3, 2, (1.0, 0.0))
    assert found["largest"] == 0.25


@pytest.mark.parametrize(
    "picture",
    [None, {}, {"thousandths": ["? ?"]}, {"thousandths": ["1", "1 2"]}, {"thousandths": 5}],
)
def test_a_picture_that_is_missing_or_damaged_is_left_out(picture):
    assert painted_picture({"artefacts": {"picture": picture}}) is None
