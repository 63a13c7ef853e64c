import pytest

from simgan_jax.training.phases import due, phases, steps_until_due


def test_the_schedule_is_the_refiner_then_the_discriminator_then_both(tiny_config):
    found = [(p.name, p.first, p.last, tuple(p.updates)) for p in phases(tiny_config)]
    assert found == [
        ("refiner", 0, 2, (1, 0)),
        ("discriminator", 2, 3, (0, 1)),
        ("adversarial", 3, 6, (2, 1)),
    ]


@pytest.mark.parametrize(("step", "every", "steps"), [(3, 5, 2), (5, 5, 3), (8, 5, 1), (3, 1, 1)])
def test_a_call_goes_to_the_next_step_that_is_looked_at_or_the_end(tiny_config, step, every, steps):
    tiny_config.train.steps = 6
    tiny_config.watch.update(log_every=every, sample_every=8, checkpoint_every=100)
    last = phases(tiny_config)[-1]
    assert last.last == 9
    assert steps_until_due(step, last, tiny_config.watch) == steps


@pytest.mark.parametrize(
    ("step", "log", "sample", "save"),
    [
        (7, False, False, False),
        (10, True, False, False),
        # A sample and a checkpoint are logged too, as are the ends of a phase and of the run.
        (8, True, True, False),
        (12, True, False, True),
        (19, True, False, False),
        (23, True, True, True),
    ],
)
def test_what_is_due_after_a_step(tiny_config, step, log, sample, save):
    tiny_config.train.update(pretrain_refiner=19, pretrain_discriminator=0, steps=4)
    tiny_config.watch.update(log_every=5, sample_every=8, checkpoint_every=12)
    refiner, _, adversarial = phases(tiny_config)
    phase = refiner if step <= 19 else adversarial
    assert due(step, phase, tiny_config.watch, last=23) == (log, sample, save)
