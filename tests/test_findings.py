import math

import pytest

from simgan_jax.reporting.findings import (
    advice,
    better,
    error_margin,
    health,
    judge,
    labels,
    number,
    realism,
)

CONFIG = {
    "task": "gaze",
    "image": {"width": 55},
    "loss": {"self_regularization": 0.5, "adversarial": "cross_entropy"},
}


def evaluation(synthetic, refined, std=0.1, seeds=3, shift=0.2):
    return {
        "estimators": {
            "synthetic": {"error": synthetic, "std": std},
            "refined": {"error": refined, "std": std},
        },
        "label_shift": {"mean": shift, "std": 0.1},
        "realism": {"discriminator_accuracy": {"synthetic": 0.95, "refined": 0.75}},
        "seeds": seeds,
    }


def adversarial_row(**metrics):
    row = {
        "step": 10,
        "phase": "adversarial",
        "discriminator/loss": 0.6,
        "discriminator/gradient_norm": 1.0,
    }
    return row | metrics


def test_the_margin_is_students_t_of_four_degrees_of_freedom_for_three_seeds():
    # t(0.975, 4) = 2.776; sqrt((0.1^2 + 0.1^2) / 3) = 0.08165
    margin = error_margin(evaluation(8, 6), "synthetic", "refined")
    assert margin == pytest.approx(2.776 * 0.08165, rel=1e-3)


@pytest.mark.parametrize("seeds, std", [(1, 0.0), (3, None), (None, 0.1)])
def test_there_is_no_margin_without_a_spread_over_seeds(seeds, std):
    assert error_margin(evaluation(8, 6, std, seeds), "synthetic", "refined") is None


@pytest.mark.parametrize(
    "refined, status, answer",
    [
        (6.0, "good", "Yes: 25% less error."),
        (7.9, "unclear", "No clear difference."),
        (8.1, "unclear", "No clear difference."),
        (10.0, "bad", "No: 25% more error."),
    ],
)
def test_better_says_yes_or_no_only_beyond_the_margin(refined, status, answer):
    finding = better(CONFIG, evaluation(8.0, refined))
    assert (finding.status, finding.answer) == (status, answer)


def test_estimators_worse_than_the_mean_label_have_learned_nothing():
    figures = evaluation(8.0, 6.0)
    figures["estimators"]["mean_predictor"] = {"error": 5.9}
    finding = better(CONFIG, figures)
    assert finding.status == "unclear"
    assert finding.answer.startswith("Nothing learned yet")
    figures["estimators"]["mean_predictor"] = {"error": 6.1}
    assert better(CONFIG, figures).status == "good"


@pytest.mark.parametrize(("kid", "status"), [(1.0, "good"), (3.0, "unclear")])
def test_a_yes_to_realism_needs_both_measures(kid, status):
    figures = evaluation(8.0, 6.0)
    figures["realism"] |= {"kid": kid, "kid_synthetic": 2.0}
    finding = realism(figures)
    assert finding.status == status
    assert f"from 2.00 to {kid:.2f}" in finding.detail


def test_without_labels_it_is_the_image_that_should_stay():
    finding = labels({"task": "none", "image": {"width": 55}}, evaluation(8, 6))
    assert "label" not in finding.question
    assert "the whole image by 0.20" in finding.detail


def test_one_seed_is_never_a_yes():
    assert better(CONFIG, evaluation(8.0, 4.0, seeds=1)).status == "unclear"


@pytest.mark.parametrize("task", ["none", None, "unheard-of"])
def test_a_run_without_a_task_has_nothing_to_measure(task):
    assert better({"task": task}, {}).status == "unknown"


def test_better_reports_the_comparison_with_augmentation():
    figures = evaluation(8.0, 6.0)
    figures["estimators"] |= {
        "synthetic_augmented": {"error": 5.5},
        "refined_augmented": {"error": 5.25},
    }
    assert "With augmentation 5.25° against 5.50°." in better(CONFIG, figures).detail


@pytest.mark.parametrize("shift, status", [(0.5, "good"), (0.51, "unclear"), (1.2, "bad")])
def test_labels_are_judged_by_shares_of_the_width(shift, status):
    assert labels(CONFIG, evaluation(8, 6, shift=shift)).status == status


@pytest.mark.parametrize(
    "refined, status", [(0.75, "good"), (0.93, "unclear"), (0.99, "bad"), (None, "unknown")]
)
def test_realism_is_what_a_fresh_discriminator_can_tell(refined, status):
    figures = {"realism": {"discriminator_accuracy": {"synthetic": 0.95, "refined": refined}}}
    assert realism(figures).status == status


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


def test_a_good_run_is_to_be_used():
    figures = evaluation(8.0, 6.0)
    findings = judge(CONFIG, [adversarial_row()], figures)
    assert [finding.status for finding in findings] == ["good"] * 4
    [(_, code)] = advice("runs/a", "", CONFIG, figures, findings, finished=True)
    assert code == "python -m simgan_jax.refine --workdir=runs/a --input=FOLDER --output=FOLDER"


def test_drifting_labels_ask_for_twice_the_self_regularization():
    figures = evaluation(8.0, 10.0, shift=2.0)
    findings = judge(CONFIG, [adversarial_row()], figures)
    found = advice("runs/a", "", CONFIG, figures, findings, finished=True)
    assert [code for _, code in found] == ["--config.loss.self_regularization=1"]


def test_an_unfinished_run_is_to_be_resumed_first():
    findings = judge(CONFIG, [], {})
    found = advice("runs/a", "the command", CONFIG, {}, findings, finished=False)
    assert found[0][1] == "the command"


@pytest.mark.parametrize("value", [None, "1", True, math.nan, math.inf, [1.0], {}])
def test_number_takes_finite_numbers_alone(value):
    assert number({"a": {"b": value}}, "a", "b") is None
    assert number({"a": {"b": 1}}, "a", "b") == 1.0
    assert number({"a": 1}, "a", "b") is None
