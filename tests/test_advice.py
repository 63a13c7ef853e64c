"""What the report advises, from the findings in their order: gain, labels, realism, paint, training."""

from simgan_jax.reporting.advice import advice
from simgan_jax.reporting.finding import Finding

CONFIG = {"task": "gaze", "loss": {"self_regularization": 0.5}}


def advise(*statuses, finished=True):
    findings = [
        Finding("", status, "", "The doctor's words.", (f"Remedy {i}", f"--remedy={i}"))
        for i, status in enumerate(statuses)
    ]
    return advice("runs/a", "the command", CONFIG, findings, finished)


def test_a_good_run_is_to_be_used():
    [(_, code)] = advise("good", "good", "good", "good", "good")
    assert code == "python -m simgan_jax.refine --workdir=runs/a --input=FOLDER --output=FOLDER"


def test_labels_come_before_what_is_painted_and_each_has_its_remedy():
    assert advise("bad", "bad", "good", "bad", "good") == [("Remedy 1", "--remedy=1")]
    assert advise("bad", "unclear", "good", "good", "good") == [("Remedy 1", "--remedy=1")]
    assert advise("bad", "good", "good", "bad", "good") == [("Remedy 3", "--remedy=3")]


def test_images_that_did_not_become_real_ask_for_half_the_self_regularization():
    codes = [code for _, code in advise("bad", "good", "bad", "good", "good")]
    assert codes == ["--config.loss.self_regularization=0.25"]


def test_a_sick_training_is_mended_before_anything_is_tuned():
    assert advise("bad", "good", "unclear", "good", "bad") == [
        ("Mend the training first. The doctor's words.", "")
    ]


def test_an_unfinished_run_is_to_be_resumed_first():
    found = advise(*["unknown"] * 5, finished=False)
    assert [code for _, code in found] == ["the command"]


def test_a_finished_run_is_to_be_measured():
    found = advise("unknown", "unknown", "unknown", "unknown", "good")
    assert found[0][1] == "python -m simgan_jax.evaluate --workdir=runs/a"
