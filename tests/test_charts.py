import math
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgan_jax.reporting.charts import (
    HEIGHT,
    LEFT,
    POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Band,
    Level,
    Line,
    line_chart,
    ticks,
)


def paths(svg):
    return [e.get("d") for e in ElementTree.fromstring(svg) if "line" in e.get("class", "")]


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 650, [0, 200, 400, 600]),
        (-0.3, 0.3, [-0.2, 0, 0.2]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high, 5) == pytest.approx(expected)


def test_a_line_goes_from_corner_to_corner():
    svg = line_chart("t", [Line("a", "c1", [0, 10], [0, 1])], "step", y_range=(0, 1))
    assert paths(svg) == [f"M{LEFT}.0,{HEIGHT - 34}.0L{WIDTH - RIGHT}.0,{TOP}.0"]


def test_a_line_is_cut_where_values_are_missing():
    y = [1, 2, math.nan, math.nan, 3, 4]
    assert len(paths(line_chart("t", [Line("a", "c1", range(6), y)], "step"))) == 2


def test_long_lines_are_averaged_and_keep_their_mean():
    y = [i % 2 for i in range(4 * POINTS)]
    [path] = paths(line_chart("t", [Line("a", "c1", range(len(y)), y)], "step", y_range=(0, 1)))
    heights = {point.split(",")[1] for point in path[1:].split("L")}
    assert path.count("L") == POINTS - 1
    assert heights == {f"{(TOP + HEIGHT - 34) / 2:.1f}"}


def test_levels_lie_at_their_value_and_upright_ones_stand_at_it():
    levels = [
        Level("chance", 0.25),
        Level("bound", 5, upright=True),
        Level("outside", 11, upright=True),
    ]
    svg = line_chart("t", [Line("a", "c1", [0, 10], [0, 1])], "x", levels=levels, y_range=(0, 1))
    found = [e.get("d") for e in ElementTree.fromstring(svg) if e.get("class") == "mark"]
    # A quarter of the 166 pixels between 20 and 186, half of the 346 between 46 and 392.
    assert found == ["M46 144.5H392", "M219.0 20V186"]


def test_a_screen_reader_hears_the_last_values_and_names_are_escaped():
    svg = line_chart("<t>", [Line("a & b", "c1", [0, 1], [0.25, math.nan])], "step")
    assert ElementTree.fromstring(svg).get("aria-label") == "<t>; at the end: a & b 0.25"


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=20).filter(
        lambda values: any(math.isfinite(value) for value in values)
    )
)
def test_any_values_stay_inside_the_picture(values):
    lines = [Line("a", "c1", range(len(values)), values)]
    svg = line_chart(
        "t", lines, "step", [Band("phase", 0, len(values))], levels=[Level("chance", 0.5)]
    )
    for path in paths(svg):
        for point in path[1:].split("L"):
            x, y = map(float, point.split(","))
            assert LEFT <= x <= WIDTH - RIGHT
            assert TOP <= y <= HEIGHT - 34
