"""The configurations that the parts share."""

from ml_collections import ConfigDict

from configs import gaze, hand


def paper_eyes(dtype: str, quick: bool) -> ConfigDict:
    """The paper's networks, optimiser and sizes for eyes, on embedded ones, computing in a dtype."""
    config = gaze.get_config("paper")
    config.data = gaze.get_config("pixels").data
    config.refiner.dtype = config.discriminator.dtype = dtype
    return shrunk(config) if quick else config


def paper_hands(quick: bool) -> ConfigDict:
    """The paper's networks for hands at 224 x 224, in bfloat16 and one piece."""
    config = hand.get_config("paper")
    config.refiner.dtype = config.discriminator.dtype = "bfloat16"
    config.train.micro_batch = 0
    if quick:
        shrunk(config)
        config.refiner.kernel = 3
        config.image.height = config.image.width = 80
    return config


def long_eyes(quick: bool) -> ConfigDict:
    """Embedded eyes with the paper's networks, schedule and batch, bfloat16.

    Losses and optimiser are those of configs/gaze.py, which are known to train there; the paper's plain
    SGD needs its sums over pixels and its data.
    """
    config = gaze.get_config("pixels")
    paper = gaze.get_config("paper")
    config.name = "gaze_long"
    config.refiner.features = paper.refiner.features
    config.refiner.dtype = config.discriminator.dtype = "bfloat16"
    config.history.size = paper.history.size
    for setting in (
        "batch",
        "pretrain_refiner",
        "pretrain_discriminator",
        "steps",
        "micro_batch",
    ):
        config.train[setting] = paper.train[setting]
    config.train.ema = 0.999
    config.data.synthetic.count = 32000
    config.data.real.count = 16000
    config.watch.update(log_every=50, sample_every=500, checkpoint_every=500, keep=24)
    config.evaluate.estimator.update(width=1.0, batch=64)
    if quick:
        shrunk(config)
        tiny = gaze.get_config("tiny")
        config.data = tiny.data
        config.evaluate = tiny.evaluate
        config.train.update(pretrain_refiner=4, pretrain_discriminator=2, steps=4)
        config.watch.update(log_every=2, sample_every=4, checkpoint_every=2)
    return config


def shrunk(config: ConfigDict) -> ConfigDict:
    """The same with few features, blocks and images, in place."""
    config.refiner.features = 4
    config.refiner.blocks = 1
    config.history.size = 32
    config.train.batch = 8
    return config
