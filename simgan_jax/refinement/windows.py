"""Windows that cover an image without seams."""

from typing import NamedTuple


class Window(NamedTuple):
    """A stretch of an axis that is refined at once, and the part [first, last) that is exact then."""

    start: int
    first: int
    last: int


def windows(size: int, window: int, margin: int) -> list[Window]:
    """Covers an axis with windows that lie inside it.

    The network's padding acts at a window's ends, where `margin` pixels are wrong and left to the
    neighbour; at the image's ends it acts as it does on the whole image. So the parts make up exactly
    what refining at once gives.

    Args:
        size: of the axis in pixels.
        window: pixels refined at once, more than 2 margins unless the whole axis.
        margin: (receptive field - 1) / 2.
    """
    found, done = [], 0
    while done < size:
        start = max(0, min(done - margin, size - window))
        end = start + window
        last = size if end >= size else end - margin
        found.append(Window(start, done, last))
        done = last
    return found
