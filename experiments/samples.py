"""Pictures that show refined images beside those that they were made of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from simgan_jax.io import image_files

SCALE = 2


def write_samples(here: Path, rows: Sequence[Shaped[np.ndarray, "n h w c"]]) -> None:
    """Writes samples.png, a row of pictures below the other.

    Args:
        here: folder.
        rows: integer images of one kind, as many in each row.
    """
    image_files.write_image(here / "samples.png", image_files.grid(np.stack(rows), scale=SCALE))
