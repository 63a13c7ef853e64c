"""Lambda follows the label shift."""

import pytest

from simgan_jax.training.lambda_control import label_shift_factor


@pytest.mark.parametrize(
    ("followed", "shift", "factor"),
    [
        (1.0, 0.33, 1.1),
        (1.0, 0.27, 0.9),
        (1.0, 3.0, 1.5),
        (1.0, 0.03, 1 / 1.5),
        (0.9, 0.27, 0.9),
        # The few that are found again hardly move; the others have moved too far.
        (0.89, 0.03, 1.5),
        (0.2, 0.27, 1.5),
    ],
)
def test_lambda_follows_the_label_shift_and_the_share_that_is_found_again(followed, shift, factor):
    row = {"samples/followed": followed, "samples/label_shift": shift}
    assert label_shift_factor(row, target=0.3) == pytest.approx(factor)


def test_lambda_rises_where_nothing_is_found_again():
    assert label_shift_factor({"samples/followed": 0.0}, target=0.3) == 1.5
