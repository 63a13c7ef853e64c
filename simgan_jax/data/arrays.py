"""What every data source returns."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Shaped


@dataclass(frozen=True)
class Arrays:
    """Images and their labels in memory (or memory-mapped), row i of each belonging together.

    Attributes:
        images: uint8 or uint16 [N, H, W, C], full range; networks see them in [-1, 1].
        labels: arrays [N, ...] by name (gaze, pupil, iris_mask, joints_uvd, ...); may be empty.

    Raises:
        ValueError: a label has another number of rows than the images, or images are not 4-D.
    """

    images: np.ndarray
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        if self.images.ndim != 4:
            raise ValueError(f"images have shape {self.images.shape}, expected [N, H, W, C]")
        for name, values in self.labels.items():
            if len(values) != len(self.images):
                raise ValueError(f"label {name}: {len(values)} rows for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | np.ndarray) -> "Arrays":
        """The given rows of the images and of every label."""
        return Arrays(self.images[rows], {name: x[rows] for name, x in self.labels.items()})


def digests(images: Shaped[np.ndarray, "n h w c"]) -> list[bytes]:
    """Of each image what it shares with its copies alone, pixel by pixel."""
    return [hashlib.sha256(image.tobytes()).digest() for image in images]
