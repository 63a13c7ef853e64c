"""What the report says of a run's figures; every bound is checked from both sides."""

import pytest

from simgan_jax.reporting.findings import health, judge, realism
from simgan_jax.reporting.gain import better

CONFIG = {
    "task": "gaze",
    "image": {"height": 35, "width": 55},
    "loss": {"self_regularization": 0.5, "adversarial": "cross_entropy"},
}


def evaluation(refined=6.0):
    """Three seeds, 8 degrees trained on synthetic images.

    The differences of the seeds are 0.1 apart: half their interval is 4.303 * 0.1 / 1.732 = 0.2484.
    """
    return {
        "estimators": {
            "synthetic": {"error": 8.0, "std": 0.1, "per_seed": [7.9, 8.0, 8.1]},
            "refined": {"error": refined, "std": 0.0, "per_seed": [refined] * 3},
        },
        "realism": {"discriminator_accuracy": {"synthetic": 0.95, "refined": 0.75}},
        "seeds": 3,
    }


def adversarial_row(**metrics):
    row = {
        "step": 10,
        "phase": "adversarial",
        "discriminator/loss": 0.6,
        "discriminator/gradient_norm": 1.0,
    }
    return row | metrics


@pytest.mark.parametrize(
    ("refined", "status", "answer"),
    [
        (6.0, "good", "Yes: 25% less error."),
        (7.75, "good", "Yes: 3% less error."),
        (7.76, "unclear", "No clear difference."),
        (8.24, "unclear", "No clear difference."),
        (8.25, "bad", "No: 3% more error."),
        (10.0, "bad", "No: 25% more error."),
    ],
)
def test_better_says_yes_or_no_only_beyond_the_interval_over_seeds(refined, status, answer):
    finding = better(CONFIG, evaluation(refined))
    assert (finding.status, finding.answer) == (status, answer)


def test_seeds_that_vary_together_do_not_hide_a_difference():
    figures = evaluation(7.5)
    figures["estimators"]["synthetic"] |= {"std": 2.0, "per_seed": [6.0, 8.0, 10.0]}
    figures["estimators"]["refined"] |= {"std": 2.0, "per_seed": [5.5, 7.6, 9.4]}
    assert better(CONFIG, figures).answer == "Yes: 6% less error."


def test_the_wider_of_two_intervals_decides_and_both_are_named():
    figures = evaluation(7.5) | {"gain_interval": [-0.025, 0.15]}
    finding = better(CONFIG, figures)
    assert (finding.status, finding.answer) == ("unclear", "No clear difference.")
    assert "-0.75 to -0.25° over 3 seeds" in finding.detail
    assert "-1.20 to +0.20° over test images; zero does not lie outside both" in finding.detail


def test_a_listed_comparison_decides():
    listed = {"row": "refined", "against": "synthetic", "difference": -2.0, "clear": False}
    listed |= {"over_seeds": [-2.2, -1.8], "over_images": [-4.1, 0.1]}
    assert better(CONFIG, evaluation() | {"comparisons": [listed]}).status == "unclear"
    listed |= {"clear": True, "over_images": [-2.1, -1.9]}
    assert better(CONFIG, evaluation() | {"comparisons": [listed]}).status == "good"


def test_one_seed_is_never_a_yes():
    figures = evaluation() | {"seeds": 1, "gain_interval": [0.2, 0.3]}
    for row in figures["estimators"].values():
        row |= {"std": None, "per_seed": [row["error"]]}
    finding = better(CONFIG, figures)
    assert (finding.status, finding.answer) == ("unclear", "25% less error, but one seed only.")
    assert "-2.40 to -1.60° over test images. How another seed would end" in finding.detail


def test_the_gap_is_told_only_where_the_difference_is_clear():
    figures = evaluation(6.0) | {"gap_closed": 0.5}
    figures["estimators"]["real"] = {"error": 4.0}
    assert (
        "With real labels it would be 4.00°: the gap is closed by 50%."
        in better(CONFIG, figures).detail
    )
    figures = evaluation(7.9) | {"gap_closed": 0.025}
    figures["estimators"]["real"] = {"error": 4.0}
    assert "gap" not in better(CONFIG, figures).detail


def test_estimators_worse_than_the_mean_label_have_learned_nothing():
    figures = evaluation(6.0)
    figures["estimators"]["mean_predictor"] = {"error": 5.9}
    finding = better(CONFIG, figures)
    assert finding.status == "unclear"
    assert finding.answer.startswith("Nothing learned yet")
    figures["estimators"]["mean_predictor"] = {"error": 6.1}
    assert better(CONFIG, figures).status == "good"


@pytest.mark.parametrize(("row", "own", "clear"), [("refined", 7.6, False), ("refined", 7.5, True)])
def test_estimators_that_have_learned_little_of_their_own_images_are_no_proof(row, own, clear):
    figures = evaluation(6.0)
    figures["estimators"]["mean_predictor"] = {"error": 10.0}
    figures["estimators"][row]["own_error"] = own
    finding = better(CONFIG, figures)
    if clear:
        assert finding.answer == "Yes: 25% less error."
    else:
        assert finding.status == "unclear"
        assert finding.answer == (
            "25% less error, but the estimators have learned too little to say."
        )
        assert "row refined err by 7.60° on images like those" in finding.detail


@pytest.mark.parametrize(
    ("looks", "clear"),
    [
        ([[9.0, 8.0, 7.0, 6.5, 6.2, 6.0, 5.8, 5.6]], False),  # 6.0 to 5.6 in the last quarter
        ([[9.0, 8.0, 7.0, 6.0, 6.0, 6.0, 5.9, 5.8]], True),
        (
            [[9.0, 8.0, 7.0, 6.0, 6.0, 6.0, 5.9, 5.5], [6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 7.0, 7.0]],
            True,
        ),
        ([[]], True),
        ("damaged", True),
    ],
)
def test_estimators_whose_own_error_still_fell_are_no_proof(looks, clear):
    figures = evaluation(6.0)
    figures["estimators"]["synthetic"]["validation"] = looks
    finding = better(CONFIG, figures)
    assert (finding.status == "good") == clear
    assert ("still fell by 7%" in finding.detail) != clear


def test_low_frequencies_of_real_images_need_no_refiner_either():
    figures = evaluation() | {
        "comparisons": [
            {"row": "refined", "against": x, "difference": d, "over_seeds": [d, d], "clear": True}
            for x, d in (("synthetic", -2.0), ("fda", 0.5))
        ]
    }
    figures["estimators"]["fda"] = {"error": 5.5}
    assert "(row fda) to 5.50°: a difference of +0.50°" in better(CONFIG, figures).detail


def test_augmentation_which_may_do_as_much_is_told():
    figures = evaluation()
    figures["estimators"] |= {
        "synthetic_augmented": {"error": 5.5, "per_seed": [5.5, 5.6, 5.4]},
        "refined_augmented": {"error": 5.25, "per_seed": [5.6, 4.9, 5.25]},
    }
    detail = better(CONFIG, figures).detail
    assert "(row refined augmented) come to 5.25°" in detail
    assert (
        "(row synthetic augmented) to 5.50°: a difference of -0.25°, which may be chance." in detail
    )


def test_the_best_refined_row_is_held_against_the_best_that_needs_no_refiner():
    figures = evaluation() | {
        "comparisons": [
            {"row": row, "against": against, "difference": x, "over_seeds": [x, x], "clear": True}
            for row, against, x in (
                ("refined", "synthetic", -2.0),
                ("refined_augmented", "synthetic_augmented", -1.5),
                ("refined_augmented", "matched_4x", 0.5),
            )
        ]
    }
    for row, error in (
        ("synthetic_augmented", 7.0),
        ("refined_augmented", 5.5),
        ("matched_4x", 5.0),
    ):
        figures["estimators"][row] = {"error": error}
    finding = better(CONFIG, figures)
    assert finding.answer == "Yes: 25% less error."
    assert (
        "(row refined augmented) come to 5.50°, images that need no refiner (row matched 4x) to 5.00°"
        in (finding.detail)
    )
    assert "a difference of +0.50°, zero lies outside its intervals" in finding.detail


def test_the_groups_that_test_images_form_are_named():
    figures = evaluation() | {"gain_interval": [0.2, 0.3], "test_groups": "15 people"}
    assert "over 15 people" in better(CONFIG, figures).detail


@pytest.mark.parametrize("task", ["none", None, "unheard-of"])
def test_a_run_without_a_task_has_nothing_to_measure(task):
    assert better({"task": task}, {}).status == "unknown"


def test_a_run_without_an_evaluation_is_not_measured_yet():
    assert better(CONFIG, {}).answer == "Not measured yet."
    assert "no evaluation so far" in better(CONFIG, {}).detail
    figures = {"estimators": {"refined": {"error": 6.0}}, "comparisons": []}
    assert "on both synthetic and refined images" in better(CONFIG, figures).detail


@pytest.mark.parametrize(
    ("refined", "status"), [(0.75, "good"), (0.93, "unclear"), (0.99, "bad"), (None, "unknown")]
)
def test_realism_is_what_a_fresh_discriminator_can_tell(refined, status):
    figures = {"realism": {"discriminator_accuracy": {"synthetic": 0.95, "refined": refined}}}
    assert realism(figures).status == status


@pytest.mark.parametrize(("kid", "status"), [(1.0, "good"), (3.0, "unclear")])
def test_a_yes_to_realism_needs_both_measures(kid, status):
    figures = evaluation()
    figures["realism"] |= {"kid": kid, "kid_synthetic": 2.0}
    finding = realism(figures)
    assert finding.status == status
    assert f"from 2.00 to {kid:.2f}" in finding.detail


def test_health_repeats_the_doctor():
    sick = adversarial_row(
        **{"samples/change": 0.001, "samples/correlation": 1.0, "samples/diversity": 1.0}
    )
    finding = health(CONFIG, [sick])
    assert finding.status == "bad"
    assert "lower config.loss.self_regularization" in finding.detail
    assert health(CONFIG, [adversarial_row()]).status == "good"
    assert health(CONFIG, [{"step": 5, "phase": "refiner"}]).status == "unknown"


def test_health_survives_rows_that_lack_metrics():
    rows = [{"step": i, "phase": "adversarial", "discriminator/loss": 0.693} for i in range(3)]
    assert health(CONFIG, rows).status == "unknown"


def test_the_answer_comes_first():
    findings = judge(CONFIG, [adversarial_row()], evaluation())
    assert [finding.question for finding in findings] == [
        "Is it better on real images?",
        "Are the labels still true?",
        "Do they look more real?",
        "Has it painted something of its own?",
        "Did the training go well?",
    ]


@pytest.mark.parametrize(("slope", "status"), [(-0.19, "good"), (-0.21, "unclear"), (0.8, "good")])
def test_a_test_set_that_is_read_backwards_allows_no_verdict(slope, status):
    figures = evaluation(6.0)
    figures["estimators"]["synthetic"]["axes"] = {"pitch": {"slope": slope}, "yaw": {"slope": 0.9}}
    finding = better(CONFIG, figures)
    assert finding.status == status
    assert ("The greater pitch of the test set's labels" in finding.detail) == (status == "unclear")
