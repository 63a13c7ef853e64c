import numpy as np
import pytest

from simgan_jax.training import doctor

HEALTHY = {
    "phase": "adversarial",
    "discriminator/loss": 0.5,
    "discriminator/gradient_norm": 0.3,
    "discriminator/accuracy_real": 0.8,
    "discriminator/accuracy_refined": 0.7,
    "discriminator/accuracy_history": 0.75,
}
SAMPLES = {"samples/change": 0.1, "samples/correlation": 0.9, "samples/diversity": 0.8}
STUCK = {"discriminator/loss": 0.6935, "discriminator/gradient_norm": 0.001}
SATURATED = {
    "discriminator/loss": 0.001,
    "discriminator/accuracy_real": 1.0,
    "discriminator/accuracy_refined": 0.999,
    "discriminator/accuracy_history": 1.0,
}
LOSS = "cross_entropy"


def test_a_healthy_run_is_left_alone():
    assert doctor.examine([HEALTHY | SAMPLES] * 5, LOSS) == []
    assert doctor.examine([], LOSS) == []


@pytest.mark.parametrize(
    ("change", "name", "said", "setting"),
    [
        (
            STUCK,
            "undecided",
            "stuck at a loss of 0.693",
            "config.optimizer.discriminator.learning_rate",
        ),
        (SATURATED, "saturated", "always right", "config.train.refiner_updates"),
        (
            {"samples/change": 0.005},
            "unchanged",
            "equal the synthetic",
            "config.loss.self_regularization",
        ),
        ({"samples/correlation": -0.5}, "inverted", "inverted", "config.train.pretrain_refiner"),
        ({"samples/diversity": 0.1}, "collapsed", "collapse", "config.history.size"),
        (
            {"samples/followed": 0.75},
            "lost",
            "content of 25% of the refined images is not found",
            "config.loss.self_regularization",
        ),
        (
            {"samples/reading_drift": 1.1},
            "drift",
            "otherwise, by 1.10",
            "config.loss.reading.weight",
        ),
        (
            {"samples/whites_lost": 0.25},
            "painted",
            "25% of the whites",
            "config.loss.weight.label",
        ),
        ({"samples/pattern": 0.11}, "painted", "11% of the change is", "config.loss.weight.label"),
    ],
)
def test_each_failure_is_named_with_the_setting_to_move(change, name, said, setting):
    (complaint,) = doctor.examine([HEALTHY | SAMPLES | change] * 3, LOSS, drift_limit=0.5)
    assert complaint.name == name
    assert said in complaint.sentence
    assert setting in complaint.remedy
    assert str(complaint) == f"{complaint.sentence}; {complaint.remedy}"
    assert "\n" not in str(complaint)


@pytest.mark.parametrize("change", [STUCK, SATURATED])
def test_the_discriminator_is_judged_by_three_rows_in_a_row(change):
    sick, well = HEALTHY | SAMPLES | change, HEALTHY | SAMPLES
    assert doctor.examine([sick, sick], LOSS) == []
    assert doctor.examine([sick, sick, well], LOSS) == []
    assert doctor.examine([sick, well, sick, sick], LOSS) == []
    assert len(doctor.examine([well, sick, sick, sick], LOSS)) == 1


def test_ln_2_in_passing_is_no_complaint():
    moving = HEALTHY | {"discriminator/loss": 0.693147, "discriminator/gradient_norm": 0.3}
    assert doctor.examine([moving] * 3, LOSS) == []


@pytest.mark.parametrize(
    ("adversarial", "stuck", "fine"), [("least_squares", 1.001, 0.693), ("hinge", 0.999, 0.693)]
)
def test_another_loss_is_stuck_at_another_value(adversarial, stuck, fine):
    rows = [HEALTHY | STUCK | {"discriminator/loss": loss} for loss in (stuck, fine)]
    (complaint,) = doctor.examine(rows[:1] * 3, adversarial)
    assert complaint.name == "undecided"
    assert "stuck at a loss of 1 " in complaint.sentence
    assert doctor.examine(rows[1:] * 3, adversarial) == []


def test_one_accuracy_below_one_is_not_saturated():
    row = HEALTHY | SATURATED | {"discriminator/accuracy_history": 0.9}
    assert doctor.examine([row] * 3, LOSS) == []


def test_pretraining_is_not_judged():
    rows = [HEALTHY | STUCK | {"samples/change": 0.0, "phase": "discriminator"}] * 3
    assert doctor.examine(rows, LOSS) == []


def test_a_tenth_of_the_images_may_be_lost():
    assert doctor.examine([HEALTHY | SAMPLES | {"samples/followed": 0.9}], LOSS) == []


def test_few_images_must_drift_or_be_painted_far_beyond_what_is_harmless():
    row = {"samples/reading_drift": 0.99, "samples/whites_lost": 0.24, "samples/pattern": 0.06}
    assert doctor.examine([HEALTHY | SAMPLES | row], LOSS, drift_limit=0.5) == []
    assert doctor.examine([HEALTHY | SAMPLES | {"samples/reading_drift": 9.0}], LOSS) == [], (
        "no task"
    )


def test_only_the_newest_samples_count():
    before, after = (HEALTHY | SAMPLES | {"samples/change": x} for x in (0.001, 0.2))
    assert doctor.examine([before, after], LOSS) == []
    assert len(doctor.examine([after, before], LOSS)) == 1


def test_statistics_of_images_worked_out_by_hand():
    synthetic = np.array([[-1.0, 1.0], [0.0, 0.5]], np.float32).reshape(2, 1, 2, 1)
    found = doctor.sample_statistics(synthetic / 2, synthetic)
    # |x / 2| over 1, 1, 0, 0.5, and half the spread.
    assert found == pytest.approx(
        {"samples/change": 0.3125, "samples/correlation": 1, "samples/diversity": 0.5}
    )
    inverted = doctor.sample_statistics(-synthetic, synthetic)
    assert inverted["samples/correlation"] == pytest.approx(-1)
    assert inverted["samples/diversity"] == pytest.approx(1)


def test_flat_images_have_finite_statistics():
    flat = np.zeros((2, 3, 3, 1), np.float32)
    assert doctor.sample_statistics(flat, flat) == {
        "samples/change": 0,
        "samples/correlation": 0,
        "samples/diversity": 0,
    }


def test_background_does_not_count_as_unchanged():
    synthetic = np.ones((2, 4, 4, 1), np.float32)
    synthetic[:, 1] = 0.5
    refined = np.where(synthetic == 1, synthetic, 0.25)
    found = doctor.sample_statistics(refined, synthetic, background=1.0)
    assert found["samples/change"] == pytest.approx(0.25)
    everything = doctor.sample_statistics(refined, synthetic)["samples/change"]
    assert everything == pytest.approx(0.25 / 4)
