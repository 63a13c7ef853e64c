"""Line charts as inline SVG: small, sharp on any screen, coloured by the page's own style sheet."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 20, 34
# More points than this on a line are averaged in groups: a screen shows no more.
POINTS = 300
# From a value to where it lies in the picture.
Place = Callable[[float], float]


class Line(NamedTuple):
    """One curve: its name in the legend, the style class that colours it, and its points."""

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float]

    @property
    def last(self) -> float:
        """The last value that is a number."""
        return next(float(y) for y in reversed(self.y) if math.isfinite(y))


class Level(NamedTuple):
    """A thin line across the chart, such as chance: its name in the legend, and where it lies.

    `upright` ones stand at a value of the horizontal axis.
    """

    name: str
    value: float
    upright: bool = False


class Band(NamedTuple):
    """A stretch of the horizontal axis with a name, such as a phase of the training."""

    name: str
    first: float
    last: float


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    bands: Sequence[Band] = (),
    levels: Sequence[Level] = (),
    y_range: tuple[float, float] | None = None,
    spoken: str = "",
) -> Markup:
    """An SVG of the lines; alternating bands are shaded and named.

    Args:
        title: what a screen reader says first.
        lines: at least one finite point in all; broken where y is NaN.
        x_label: under the axis.
        bands: along x.
        levels: thin lines to compare with; upright ones outside the axis are left out.
        y_range: of the axis; by default that of the values and the levels.
        spoken: what a screen reader says of the lines; by default the last value of each.
    """
    lines = [_thin(line) for line in lines if len(line.x)]
    xs = np.concatenate([np.asarray(line.x, float) for line in lines])
    ys = np.concatenate([np.asarray(line.y, float) for line in lines])
    heights = [level.value for level in levels if not level.upright]
    low, high = y_range or _range(np.append(ys, heights))
    x_low, x_high = xs.min(), max(xs.max(), xs.min() + 1e-9)

    def at_x(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def at_y(y: float) -> float:
        y = min(max(y, low), high)
        return TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        _bands(bands, x_low, x_high, at_x),
        _ticks(ticks(xs.min(), xs.max(), 5), ticks(low, high, 5), at_x, at_y),
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 4}" '
        f'text-anchor="middle">{escape(x_label)}</text>',
        *(_level(level, at_x, at_y) for level in levels if _shows(level, x_low, x_high)),
        *(_curve(line, at_x, at_y) for line in lines),
    ]
    last = ", ".join(f"{line.name} {_number(line.last)}" for line in lines)
    label = escape(f"{title}; {spoken or f'at the end: {last}'}")
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round values (1, 2 or 5 times a power of ten apart) within [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _range(values: np.ndarray) -> tuple[float, float]:
    """Range of an axis: from zero where values come near it, a little air elsewhere."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if 0 <= low < 0.5 * high:
        low = 0.0
    air = 0.05 * (high - low) or max(abs(high) * 0.05, 0.05)
    return (low if low == 0 else low - air), high + air


def _ticks(xs: Sequence[float], ys: Sequence[float], at_x: Place, at_y: Place) -> str:
    """Numbers at both axes, and lines across at those of the upright one."""
    parts = [
        f'<path class="grid" d="M{LEFT} {at_y(y):.1f}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 6}" y="{at_y(y) + 4:.1f}" text-anchor="end">{_number(y)}</text>'
        for y in ys
    ]
    for x in xs:
        # The outermost labels would stick out if they were centred.
        anchor = "end" if at_x(x) > WIDTH - RIGHT - 12 else "middle"
        parts.append(
            f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="{anchor}">'
            f"{_number(x)}</text>"
        )
    return "".join(parts)


def _shows(level: Level, x_low: float, x_high: float) -> bool:
    return not level.upright or x_low <= level.value <= x_high


def _level(level: Level, at_x: Place, at_y: Place) -> str:
    path = (
        f"M{at_x(level.value):.1f} {TOP}V{HEIGHT - BOTTOM}"
        if level.upright
        else f"M{LEFT} {at_y(level.value):.1f}H{WIDTH - RIGHT}"
    )
    return f'<path class="mark" d="{path}"/>'


def _curve(line: Line, at_x: Place, at_y: Place) -> str:
    parts = []
    for stretch in _stretches(line):
        points = [f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in stretch]
        # A path of no length still shows its round ends.
        path = "M" + "L".join(points if points[1:] else points * 2)
        parts.append(f'<path class="line {escape(line.style)}" d="{path}"/>')
    return "".join(parts)


def _bands(bands: Sequence[Band], x_low: float, x_high: float, at_x: Place) -> str:
    parts = []
    for i, (name, first, last) in enumerate(bands):
        first, last = max(first, x_low), min(last, x_high)
        if last <= first:
            continue
        left, right = at_x(first), at_x(last)
        parts.append(
            f'<rect class="band{i % 2}" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"><title>{escape(name)}</title></rect>'
        )
        if right - left > 6 * len(name):
            parts.append(
                f'<text class="band" x="{(left + right) / 2:.1f}" y="{TOP - 6}" '
                f'text-anchor="middle">{escape(name)}</text>'
            )
    return "".join(parts)


def _stretches(line: Line) -> list[list[tuple[float, float]]]:
    """The points of a line, cut where y is NaN."""
    pairs = [(x, y) for x, y in zip(line.x, line.y, strict=True)]
    groups = itertools.groupby(pairs, key=lambda pair: math.isfinite(pair[1]))
    return [list(group) for finite, group in groups if finite]


def _thin(line: Line) -> Line:
    """The line with neighbouring points averaged until at most `POINTS` are left."""
    group = -(-len(line.x) // POINTS)
    if group <= 1:
        return line
    cuts = range(0, len(line.x), group)
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    return line._replace(
        x=[float(x[i : i + group].mean()) for i in cuts],
        y=[float(_mean(y[i : i + group])) for i in cuts],
    )


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return finite.mean() if len(finite) else math.nan


def _number(value: float) -> str:
    """Three significant digits, thousands as 10k."""
    if abs(value) >= 10_000:
        return f"{value / 1000:.4g}k"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
