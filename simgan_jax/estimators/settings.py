"""How estimators are trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simgan_jax.errors import UserError


@dataclass(frozen=True)
class EstimatorSettings:
    """How an estimator is trained; the same for every set that is compared.

    Attributes:
        width: factor on the gaze network's widths; 1 is the paper's network.
        features: of the hourglass (paper's: 256).
        stacks: of the hourglass (paper's: 2).
        depth: poolings in an hourglass (paper's: 4).
        downsample: side of a hand image / side of the heat maps.
        resize: side to which hand images are resampled first; 0 leaves them. 256 gives the paper's
            64x64 maps from images of 224x224.
        steps: updates at most.
        batch: images an update. Small ones learn most from the same computation on CPU: 6.4 degrees
            on its own domain with 8, 7.0 with 16, 7.5 with 32 (embedded eyes, one seed).
        micro_batch: images whose gradients are computed at a time on CPU; 0 is all at once.
        learning_rate: of Adam at the start; falls to 0 along a cosine.
        validation: share of the training set that early stopping looks at.
        looks: how often it looks, evenly spread over the steps.
        patience: looks without improvement after which training ends.
    """

    width: float = 0.25
    features: int = 32
    stacks: int = 1
    depth: int = 4
    downsample: int = 2
    resize: int = 0
    steps: int = 8000
    batch: int = 8
    micro_batch: int = 8
    learning_rate: float = 1e-3
    validation: float = 0.1
    looks: int = 12
    patience: int = 4


def make_settings(config: Mapping[str, Any]) -> EstimatorSettings:
    """Settings from a mapping of some of their names.

    Raises:
        UserError: a name that is none of theirs, or a micro-batch that does not divide the batch.
    """
    try:
        settings = EstimatorSettings(**config)
    except TypeError as error:
        names = ", ".join(EstimatorSettings.__dataclass_fields__)
        raise UserError(f"config.evaluate.estimator: {error}; there are {names}") from error
    if settings.micro_batch and settings.batch % settings.micro_batch:
        raise UserError(
            f"config.evaluate.estimator.micro_batch is {settings.micro_batch}, but must divide its "
            f"batch of {settings.batch}"
        )
    return settings
