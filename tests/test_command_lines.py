"""What the commands of a run have changed."""

from simgan_jax.reporting.command_lines import changed_settings


def test_settings_are_listed_as_the_commands_give_them():
    words = ["main.py", "--config=gaze.py:tiny", "--config.train.steps=5", "--noconfig.loss.local"]
    words += ["-config.name", "a b", "--workdir=config.x=1", "--config.refiner.residual"]
    later = {"command": ["main.py", "--config.train.steps=7"]}
    assert changed_settings({"command": words, "resumed": [later]}) == [
        ("loss.local", "False"),
        ("name", "a b"),
        ("refiner.residual", "True"),
        ("train.steps", "7"),
    ]


def test_a_run_that_records_no_command_has_none():
    assert changed_settings({}) == []
    assert changed_settings({"command": "main.py"}) == []
