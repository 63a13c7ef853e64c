"""Whether the report calls labels true: by what moved, and by what estimators read."""

import pytest

from simgan_jax.reporting.labels import labels

CONFIG = {
    "task": "gaze",
    "image": {"height": 35, "width": 55},
    "loss": {"self_regularization": 0.5, "psi": "identity", "reading": {"weight": 40.0}},
}
HAND = CONFIG | {"task": "hand", "image": {"height": 56, "width": 56}}


def drift(first=0.1, second=-0.1, half=0.05, names=("pitch", "yaw"), **more):
    """An estimate whose intervals reach so far to both sides."""
    axes = {
        name: {"bias": bias, "interval": [bias - half, bias + half], "std": 1.0}
        for name, bias in zip(names, (first, second), strict=True)
    }
    return {"axes": axes, "estimators": 1, "own_error": 6.0, "largest_share": 0.25} | more


def evaluation(shift=0.2, estimate=None, **label_shift):
    figures = {"mean": shift, "std": 0.1, "estimate": estimate or drift()}
    return {"label_shift": figures | label_shift}


@pytest.mark.parametrize(
    ("shift", "status"), [(0.5, "good"), (0.51, "unclear"), (1.1, "unclear"), (1.2, "bad")]
)
def test_labels_are_judged_by_shares_of_the_width(shift, status):
    assert labels(CONFIG, evaluation(shift=shift)).status == status
    wide = CONFIG | {"image": {"height": 70, "width": 110}}
    assert labels(wide, evaluation(shift=2 * shift)).status == status


def test_labels_are_not_safe_where_most_images_lost_their_content():
    finding = labels(CONFIG, evaluation(shift=0.1, followed=0.2, images=500))
    assert (finding.status, finding.answer) == (
        "bad",
        "No: 80% of the images lost what the label describes.",
    )
    assert (
        "In 400 of 500 images what the label describes could not be found again" in finding.detail
    )


def test_labels_are_not_safe_where_all_images_lost_their_content():
    finding = labels(CONFIG, evaluation(shift=float("nan"), followed=0.0))
    assert finding.status == "bad"
    assert "In 100% of the images" in finding.detail


@pytest.mark.parametrize(("followed", "status"), [(0.9, "good"), (0.89, "bad"), (1.0, "good")])
def test_a_tenth_of_the_images_may_be_lost(followed, status):
    assert labels(CONFIG, evaluation(followed=followed)).status == status


def test_images_that_were_lost_are_counted_though_the_labels_are_safe():
    finding = labels(CONFIG, evaluation(followed=0.95, images=200))
    assert "In 10 of 200 images" in finding.detail
    assert "Where it was found" in finding.detail
    assert "found" not in labels(CONFIG, evaluation(followed=1.0)).detail


def test_without_labels_it_is_the_content_that_should_stay():
    finding = labels({"task": "none", "image": {"width": 55}}, evaluation())
    assert finding.question == "Do things stay where they are?"
    assert "moved the content by 0.20 ± 0.10 px" in finding.detail


def test_a_shift_that_was_not_measured_is_unknown():
    finding = labels(CONFIG, {})
    assert finding.status == "unknown"
    assert "config.loss.self_regularization is 0.5" in finding.detail


@pytest.mark.parametrize(
    ("yaw", "half", "status"),
    [
        (0.5, 0.2, "good"),
        (-0.5, 0.2, "good"),
        (0.51, 0.2, "unclear"),
        (1.0, 0.1, "unclear"),
        (1.01, 0.1, "bad"),
        (-2.9, 0.6, "bad"),
        # So few images, or so rough an estimator, that it may be small or large.
        (1.2, 0.8, "unclear"),
        (0.3, 0.8, "unclear"),
    ],
)
def test_gaze_may_drift_by_half_a_degree_an_axis(yaw, half, status):
    assert labels(CONFIG, evaluation(estimate=drift(0.1, yaw, half))).status == status
    assert labels(CONFIG, evaluation(estimate=drift(yaw, 0.1, half))).status == status


@pytest.mark.parametrize(("x", "status"), [(0.2, "good"), (0.21, "unclear"), (0.41, "bad")])
def test_joints_may_drift_by_a_tenth_of_what_estimators_err_by(x, status):
    estimate = drift(x, 0.0, names=("x", "y"))
    assert labels(HAND, evaluation(estimate=estimate)).status == status
    wide = HAND | {"image": {"height": 112, "width": 112}}
    estimate = drift(2 * x, 0.0, names=("x", "y"))
    assert labels(wide, evaluation(estimate=estimate)).status == status


def test_labels_are_true_if_they_stay_and_are_read_as_before():
    assert labels(CONFIG, evaluation()).answer == (
        "Yes: they moved by 0.20 px, and are read as before."
    )
    still = labels(CONFIG, evaluation(shift=0.2, estimate=drift(0.1, 2.9, 0.6)))
    assert still.answer == "No: what estimators read moved by +2.90° in yaw."
    assert "pitch +0.10° (-0.50 to +0.70), yaw +2.90° (+2.30 to +3.50)" in still.detail
    assert "up to 0.5° an axis counts as kept. Another one may read otherwise;" in still.detail
    assert "The largest is 25%" in still.detail
    moved = labels(CONFIG, evaluation(shift=3.0))
    assert (moved.status, moved.answer) == ("bad", "No: they moved by 3.00 px.")


def test_what_a_look_alone_does_to_the_reading_stands_beside_its_drift():
    look = drift(0.1, 2.9, look={"pitch": -0.3, "yaw": 0.8})
    assert (
        labels(CONFIG, evaluation(estimate=look))
        .detail.split("themselves.")[1]
        .startswith(
            " Real grey values alone, which leave every label true, move it by pitch -0.30°, "
            "yaw +0.80°."
        )
    )
    assert "Real grey values alone" not in labels(CONFIG, evaluation()).detail


def test_the_remedy_is_of_what_is_worse():
    read = evaluation(estimate=drift(0.1, 2.9))
    assert labels(CONFIG, read).remedy[1] == "--config.loss.psi=estimator"
    kept = CONFIG | {"loss": CONFIG["loss"] | {"psi": "estimator"}}
    assert labels(kept, read).remedy[1] == "--config.loss.reading.weight=80"
    assert labels(kept, evaluation(shift=3.0)).remedy[1] == "--config.loss.self_regularization=1"


def test_labels_whose_reading_nobody_measured_are_not_called_true():
    finding = labels(CONFIG, {"label_shift": {"mean": 0.2}})
    assert finding.status == "unclear"
    assert finding.answer == "They stay in place; what an estimator reads was not measured."
    assert labels(CONFIG, {"label_shift": {"mean": 2.0}}).answer == "No: they moved by 2.00 px."


@pytest.mark.parametrize(("own", "status"), [(7.5, "good"), (7.6, "unclear")])
def test_estimators_that_have_not_learned_to_read_say_nothing(own, status):
    estimate = drift(own_error=own, mean_label_error=10.0)
    assert labels(CONFIG, evaluation(estimate=estimate)).status == status


def test_an_estimate_of_an_earlier_version_is_judged_by_its_means():
    estimate = {"axes": {"pitch": {"bias": 0.2}, "yaw": {"bias": 2.0}}}
    finding = labels(CONFIG, evaluation(estimate=estimate))
    assert finding.status == "bad"
    assert finding.detail.startswith("What estimators trained on synthetic images read moves")
