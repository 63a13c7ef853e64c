"""Pictures that are labels: masks, maps of classes or of single objects, depth beside colour, points.

A refiner would make wrong labels of them. Nothing tells them apart for certain, so what looks like
one is asked about.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Int, Shaped

from simgan_jax.io.pictures import Header

# Words in a name that say so.
WORDS = {
    *("annotation", "annotations", "depth", "depths", "disparities", "disparity", "flow", "gt"),
    *("groundtruth", "ids", "instance", "instances", "label", "labels", "mask", "masks", "matte"),
    *("mattes", "normals", "seg", "segmentation", "segmentations", "semantic", "semantics"),
    *("trimap", "trimaps"),
}
# Pixels looked at: the middle square of this side.
SIDE = 512
# Up to so many values are few, and FLAT of all neighbours are equal then.
FEW, FLAT = 8, 0.8
# Of more values, this share of the neighbours of nearly each is equal, and not the next value as on a
# slope. Photographs have less than 0.4 for the first, drawings with soft edges 0.
OBJECTS, INSIDE, STEPS = 4096, 0.6, 0.3
# An array with a side below this is no picture.
SMALLEST_SIDE = 8


def by_names(
    headers: Mapping[str, Header], sizes: Iterable[tuple[int, int]] = ()
) -> dict[str, str]:
    """Pictures that are labels by their names and kinds.

    Args:
        headers: of all pictures by relative path.
        sizes: heights and widths that pictures are known to have.

    Returns:
        By name, why.
    """
    words = {name: _words(name, header) for name, header in headers.items()}
    several = len({frozenset(found) for found in words.values()}) > 1
    arrays = {name for name, header in headers.items() if header.format == "NPY"}
    sizes = {*sizes, *(headers[name].shape[1:3] for name in headers.keys() - arrays)}
    colour = {_frame(x, h) for x, h in headers.items() if h.dtype == "uint8" and h.shape[3] == 3}
    reasons = {}
    for name, header in headers.items():
        # Depth comes as PNG; TIFF of 16 bit are photographs as often.
        deep = (header.format, header.dtype, header.shape[3]) == ("PNG", "uint16", 1)
        if name in arrays and (reason := _array(header, sizes)):
            reasons[name] = reason
        elif several and words[name]:
            reasons[name] = f"{sorted(words[name])[0]} by its name"
        elif deep and _frame(name, header) in colour:
            reasons[name] = "16-bit grey beside a colour picture of the same number and size"
    return reasons


def by_pixels(pixels: Shaped[np.ndarray, "n h w c"]) -> str:
    """Why a picture without losses looks like a map of labels; "" if it does not.

    Args:
        pixels: of one file; the first image is looked at.
    """
    image = pixels[0]
    top, left = (max(0, (size - SIDE) // 2) for size in image.shape[:2])
    middle = image[top : top + SIDE, left : left + SIDE]
    return _regions(_codes(middle if (middle != middle[0, 0]).any() else image))


def group(name: str) -> str:
    """Files of one kind, by their names: the same for all that differ in numbers."""
    return re.sub(r"\d+", "#", name)


def _codes(image: Shaped[np.ndarray, "h w c"]) -> Int[np.ndarray, "h w"]:
    """One number for each colour."""
    codes = image[..., 0].astype(np.int64)
    for channel in range(1, image.shape[2]):
        codes = codes << 16 | image[..., channel]
    return codes


def _regions(codes: Int[np.ndarray, "h w"]) -> str:
    pairs = ((codes[:, 1:], codes[:, :-1]), (codes[1:], codes[:-1]))
    equal = sum(np.count_nonzero(a == b) for a, b in pairs) / max(1, sum(a.size for a, _ in pairs))
    if equal < INSIDE:
        return ""
    values, ranks = np.unique(codes, return_inverse=True)
    count = len(values)
    if count == 1 or count > OBJECTS or (count <= FEW and equal < FLAT):
        return ""
    if count > FEW and not _is_of_objects(ranks.reshape(codes.shape), count):
        return ""
    return f"{count:,} values in flat regions"


def _is_of_objects(ranks: Int[np.ndarray, "h w"], count: int) -> bool:
    inside, around, steps = np.zeros(count), np.zeros(count), []
    for a, b in ((ranks[:, 1:], ranks[:, :-1]), (ranks[1:], ranks[:-1])):
        same = a == b
        inside += 2 * np.bincount(a[same], minlength=count)
        around += sum(np.bincount(x.ravel(), minlength=count) for x in (a, b))
        steps.append(np.abs(a - b)[~same])
    large = (np.concatenate(steps) > 1).mean()
    return large >= STEPS and np.quantile(inside / np.maximum(around, 1), 0.25) >= INSIDE


def _array(header: Header, sizes: set[tuple[int, int]]) -> str:
    """Why an array may hold numbers other than pixels."""
    images, height, width, _ = header.shape
    what = f"{header.dtype} {' x '.join(map(str, header.shape[0 if images > 1 else 1 :]))}"
    if header.dtype.startswith("float"):
        return "floats"
    if min(height, width) < SMALLEST_SIDE or (images == 1 and (height, width) not in sizes):
        return f"an array, {what}"
    return ""


def _words(name: str, header: Header) -> set[str]:
    path = PurePosixPath(name)
    # A JPEG, which no label survives, may well show a mask; a folder of them speaks of all.
    parts = path.parts[:-1] if header.format == "JPEG" else (*path.parts[:-1], path.stem)
    found = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", " ".join(parts))
    return {word.lower() for word in found} & WORDS


def _frame(name: str, header: Header) -> tuple:
    """Number and size of a picture; a name without numbers is its own number."""
    stem = PurePosixPath(name).stem
    return tuple(re.findall(r"\d+", stem)) or stem, header.shape[1:3]
