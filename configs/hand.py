"""Hand pose from depth images (section 3.2 of the paper).

    python -m simgan_jax.main --config=configs/hand.py          embedded hands
    python -m simgan_jax.main --config=configs/hand.py:tiny     seconds, to try the program
    python -m simgan_jax.main --config=configs/hand.py:paper    NYU Hand, the paper's numbers

Settings not named here are those of gaze.py:pixels.
"""

from ml_collections import ConfigDict

from simgan_jax.configs import gaze


def get_config(variant: str = "") -> ConfigDict:
    """The configuration of a variant: "" (embedded data), "tiny" or "paper"."""
    if variant not in ("", "tiny", "paper"):
        raise ValueError(f"configs/hand.py has no variant {variant!r}; one of tiny, paper, or none")
    c = hands(gaze.get_config("tiny" if variant == "tiny" else "pixels"))
    c.name = "_".join(["hand", variant]) if variant else "hand"
    if not variant:
        c.train.batch = 16
        c.train.pretrain_refiner = 0  # it begins as the identity
        c.train.pretrain_discriminator = 300
        c.evaluate.quick.update(images=4000, probe=300, estimator_steps=2000)
    return paper(c) if variant == "paper" else c


def hands(c: ConfigDict) -> ConfigDict:
    """Turns eyes into embedded hands."""
    c.task = "hand"
    c.image.height = 56  # paper: 224
    c.image.width = 56
    c.image.dtype = "uint16"  # 0..65535 is the 300 mm around the hand, see data/depth.py
    for name in ("synthetic", "real", "test"):
        c.data[name].source = "procedural_hands"
    del c.data.synthetic.equalized
    c.refiner.background = 1.0
    c.refiner.padding = "SAME"  # the border is background
    # A millimetre is 1/150: through tanh, even R(x) = x would be off by two.
    c.refiner.residual = True
    # Most of a depth image is background, which cannot change: the hand's pixels make up for it. Most
    # patches are background too: the discriminator needs longer before it can tell hands.
    c.loss.weight = ConfigDict({"label": "hand_mask", "outside": 0.0, "inside": 4.0})
    c.loss.self_regularization = 4.0
    # An hourglass of its own for 14 x 14 heat maps: 2 poolings; the paper's has 4 for 64 x 64.
    c.evaluate.estimator.update(depth=2, downsample=4)
    return c


def paper(c: ConfigDict) -> ConfigDict:
    """NYU Hand at 224 x 224, 7x7 kernels and 10 blocks; for accelerators.

    The paper gives no lambda and no mask: lambda is our guess, the hand's weight that of the embedded
    hands. Gradient accumulation and rematerialisation keep a batch of 512 within one accelerator's
    memory.
    """
    c.image.height = 224
    c.image.width = 224
    size = {"height": c.image.get_ref("height"), "width": c.image.get_ref("width"), "data_dir": ""}
    c.data.synthetic = ConfigDict(
        {"source": "nyu_hand", "split": "train", "kind": "synthetic"} | size
    )
    c.data.real = ConfigDict({"source": "nyu_hand", "split": "train", "kind": "real"} | size)
    c.data.test = ConfigDict({"source": "nyu_hand", "split": "test", "kind": "real"} | size)
    c.refiner.residual = False
    c.loss.self_regularization = 1.0
    c.refiner.features = 64
    c.refiner.kernel = 7
    c.refiner.blocks = 10
    c.refiner.remat = True
    c.discriminator.layers = "hands"
    sgd = {"name": "sgd", "learning_rate": 1e-3, "momentum": 0.0}
    c.optimizer.refiner = ConfigDict(sgd)
    c.optimizer.discriminator = ConfigDict(sgd)
    c.history.size = 51200
    c.train.batch = 512
    c.train.micro_batch = 16
    c.train.pretrain_refiner = 500
    c.train.pretrain_discriminator = 200
    c.train.steps = 10000
    c.train.ema = 0.0
    c.evaluate.estimator.update(features=256, stacks=2, depth=4, downsample=4, resize=256)
    c.evaluate.estimator.batch = 32
    return c
