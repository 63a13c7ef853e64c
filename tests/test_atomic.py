"""Files of JSON that any reader of JSON can read."""

import json

import pytest

from simgan_jax.io.atomic import write_json

NAN, INF = float("nan"), float("inf")


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("levels", [None, 1])
def test_what_is_not_finite_is_written_as_null(tmp_path, levels):
    content = {"shift": NAN, "each": [1.0, -INF, (INF, 2)], "in": {"x": NAN, "name": "NaN"}}
    write_json(tmp_path / "x.json", content, levels)
    found = json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    assert found == {
        "shift": None,
        "each": [1.0, None, [None, 2]],
        "in": {"x": None, "name": "NaN"},
    }
