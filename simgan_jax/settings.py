"""Every setting of a configuration: what it means, and which values can work.

What a data set takes (`config.data.synthetic` and its like) is described by its source instead, see
`data/specification.py`.
"""

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from simgan_jax.errors import UserError
from simgan_jax.losses import ADVERSARIAL
from simgan_jax.models.discriminator import LAYERS
from simgan_jax.psi import PSI

# The sets of a configuration; each is described by its source.
SETS = ("synthetic", "real", "test", "labelled")


class Setting(NamedTuple):
    """What a setting is.

    Attributes:
        meaning: in a phrase, with its unit.
        range: which values it takes, in words.
        takes: whether a value is among them.
    """

    meaning: str
    range: str
    takes: Callable[[Any], bool]


def whole(meaning: str, least: int = 1, below: int | None = None) -> Setting:
    """A whole number from `least` up, or up to `below`."""
    said = f"a whole number, at least {least}" + (f" and below {below:,}" if below else "")
    return Setting(
        meaning,
        said,
        lambda x: _is(x, Integral) and least <= x and (below is None or x < below),
    )


def number(
    meaning: str,
    least: float = 0,
    below: float | None = None,
    most: float | None = None,
    above: float | None = None,
) -> Setting:
    """A finite number; `above` and `below` are left out themselves."""
    bounds = {"above": above, "at least": None if above is not None else least}
    bounds |= {"below": below, "at most": most}
    said = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)

    def takes(x: Any) -> bool:
        if not _is(x, Real) or not math.isfinite(x):
            return False
        high = (below is None or x < below) and (most is None or x <= most)
        return high and (x > above if above is not None else x >= least)

    return Setting(meaning, f"a number, {said}", takes)


def switch(meaning: str) -> Setting:
    """True or False."""
    return Setting(meaning, "True or False", lambda x: isinstance(x, bool))


def choice(meaning: str, *names: Any) -> Setting:
    """One of some values."""
    said = f"one of {', '.join(map(str, names))}"
    return Setting(meaning, said, lambda x: not isinstance(x, bool) and x in names)


def text(meaning: str, may_be_empty: bool = False) -> Setting:
    """Any text."""
    said = "a text" if may_be_empty else "a text that is not empty"
    return Setting(meaning, said, lambda x: isinstance(x, str) and (may_be_empty or bool(x)))


def texts(meaning: str) -> Setting:
    """A list of texts."""
    return Setting(
        meaning,
        "a list of texts",
        lambda x: isinstance(x, list | tuple) and all(isinstance(y, str) for y in x),
    )


def or_none(setting: Setting) -> Setting:
    """The same, or None."""
    return setting._replace(
        range=f"{setting.range}, or None", takes=lambda x: x is None or setting.takes(x)
    )


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _level(name: str) -> dict[str, Setting]:
    """The settings of an evaluation of a level."""
    settings = {
        "rows": texts("what estimators are trained on, a row of the table each"),
        "seeds": whole("estimators trained a row"),
        "images": whole("training images a row, before its 4x; fewer where there are fewer"),
        "probe": whole("other images, on which realism and label shift are measured", 4),
        "discriminator_steps": whole("updates of a fresh discriminator"),
        "whole_image": switch("whether a fresh discriminator of whole images is trained, too"),
        "estimator_steps": whole("updates of an estimator at most"),
    }
    return {f"evaluate.{name}.{key}": setting for key, setting in settings.items()}


def _optimizer(role: str) -> dict[str, Setting]:
    settings = {
        "name": choice(f"optimiser of the {role}", "adam", "sgd"),
        "learning_rate": number("of every step", above=0),
        "momentum": number("of SGD; b1 of Adam", below=1),
    }
    return {f"optimizer.{role}.{key}": setting for key, setting in settings.items()}


DTYPES = ("float32", "bfloat16")
SETTINGS: dict[str, Setting] = {
    "name": text("of the run; its folder is runs/<name> by default"),
    "task": choice("what estimators predict; none leaves them out", "gaze", "iris", "hand", "none"),
    "seed": whole("of the networks, the batches and the evaluation", 0, 2**32),
    "image.height": whole("of the images, pixels"),
    "image.width": whole("of the images, pixels"),
    "image.channels": choice("1 is grey, 3 is colour", 1, 3),
    "image.dtype": choice("type of the images' values", "uint8", "uint16"),
    "data.histogram_matching": switch(
        "whether synthetic images get the grey values of real ones before they are refined"
    ),
    "data.resident_gib": number(
        "sets up to this size stay on the devices, GiB; larger are streamed"
    ),
    "refiner.features": whole("width of every hidden map"),
    "refiner.blocks": whole("number of ResNet blocks", 0),
    # An even kernel's margins differ, and an image refined in windows would not equal the whole.
    "refiner.kernel": Setting(
        "side of the square filters, pixels",
        "an odd whole number, at least 1",
        lambda x: _is(x, Integral) and x >= 1 and x % 2 == 1,
    ),
    "refiner.padding": choice("at the border: zeros, or the image mirrored", "SAME", "REFLECT"),
    "refiner.background": or_none(
        number("pixels of this value pass unchanged; in [-1, 1]", least=-1, most=1)
    ),
    "refiner.noise_channels": whole("maps of noise beside the image; 0 is the paper's refiner", 0),
    "refiner.dtype": choice("of the computation; parameters are float32", *DTYPES),
    "refiner.residual": switch("whether what the network computes is added to the image"),
    "refiner.remat": switch("recompute blocks in the backward pass: less memory, more time"),
    "discriminator.layers": choice("of the patch discriminator", *LAYERS),
    "discriminator.second": choice("layers of another one beside it", "none", *LAYERS),
    "discriminator.dtype": choice("of the computation; parameters are float32", *DTYPES),
    "discriminator.spectral_norm": switch("divide its kernels by their spectral norms"),
    "loss.adversarial": choice("the adversarial loss", *ADVERSARIAL),
    "loss.local": switch("one loss a patch (the paper), or one an image"),
    "loss.self_regularization": number("lambda, for means over pixels and patches"),
    "loss.label_shift_target": number(
        "above 0, lambda is moved so that labels shift by this many pixels"
    ),
    "loss.psi": choice("what of the image must stay", *PSI),
    "loss.reading.weight": number("of what estimators read, beside the pixels' part"),
    "loss.reading.of": choice("what is read", "predictions", "features"),
    "loss.reading.target": number(
        "above 0, its weight is moved so that readings drift by so many degrees or pixels"
    ),
    "loss.reading.estimators": whole("how many are trained for psi = estimator"),
    "loss.reading.images": whole("that each of them is trained on"),
    "loss.reading.steps": whole("updates of each of them"),
    "loss.reading.augmentation": Setting(
        "how strongly each one's images are changed, in turn; 1 as in the rows _augmented",
        "a list of numbers, each at least 0 and at most 2",
        # Beyond twice the usual contrast would turn over.
        lambda x: (
            isinstance(x, list | tuple) and len(x) > 0 and all(map(number("", most=2).takes, x))
        ),
    ),
    "loss.contrast.weight": number(
        "of telling refined places apart (PatchNCE), beside the pixels' part; 0 for none"
    ),
    "loss.contrast.places": whole("of each map that are told apart, at most", 2),
    "loss.contrast.temperature": number("of the softmax over places", above=0),
    "loss.weight.label": text("mask of the pixels that weigh more; '' for none", True),
    "loss.weight.outside": number("weight of the pixels outside the mask"),
    "loss.weight.inside": number("weight of the pixels inside"),
    "loss.r1": number("weight of the gradient penalty on real images; 0 for none"),
    **_optimizer("refiner"),
    **_optimizer("discriminator"),
    "history.size": whole("refined images kept, over all devices; 0 for no history", 0),
    "train.batch": whole("images in a mini-batch, over all devices"),
    "train.refiner_updates": whole("updates of the refiner an iteration (K_g)"),
    "train.discriminator_updates": whole("updates of the discriminator an iteration (K_d)"),
    "train.pretrain_refiner": whole("updates of the refiner alone, before", 0),
    "train.pretrain_discriminator": whole("updates of the discriminator alone, before", 0),
    "train.steps": whole("iterations of Algorithm 1", 0),
    "train.micro_batch": whole("images whose gradients are computed at a time; 0 is all", 0),
    "train.ema": number("decay of the averaged refiner an update; 0 keeps none", below=1),
    "watch.log_every": whole("steps between lines of the log"),
    "watch.sample_every": whole("steps between pictures of samples"),
    "watch.checkpoint_every": whole("steps between checkpoints"),
    "watch.keep": whole("newest checkpoints kept"),
    "evaluate.estimator.width": number("factor on the gaze network's widths; paper: 1", above=0),
    "evaluate.estimator.features": whole("of the hourglass; paper: 256"),
    "evaluate.estimator.stacks": whole("of the hourglass; paper: 2"),
    "evaluate.estimator.depth": whole("poolings in an hourglass; paper: 4"),
    "evaluate.estimator.downsample": choice("side of a hand image / of its heat maps", 1, 2, 4),
    "evaluate.estimator.resize": whole("side to which hand images are resampled; 0 for none", 0),
    "evaluate.estimator.steps": whole("updates at most, where a level names no other"),
    "evaluate.estimator.batch": whole("images an update"),
    "evaluate.estimator.micro_batch": whole("images at a time on CPU; 0 is all", 0),
    "evaluate.estimator.learning_rate": number("of Adam at the start", above=0),
    "evaluate.estimator.validation": number(
        "share of the training set that early stopping looks at", above=0, below=1
    ),
    "evaluate.estimator.looks": whole("how often it looks"),
    "evaluate.estimator.patience": whole("looks without improvement before it ends"),
    **_level("quick"),
    **_level("full"),
}


def check(config: ConfigDict) -> None:
    """Refuses values that cannot work.

    Settings that are not there are not asked for: configurations of older runs have fewer.

    Raises:
        UserError: naming the setting, its value, and the values it takes.
    """
    for key, value in leaves(config):
        setting = SETTINGS.get(key)
        if setting and not setting.takes(value):
            raise UserError(f"config.{key} is {value!r}, must be {setting.range}")


def require_all(config: ConfigDict) -> None:
    """Refuses a configuration with settings that there are not, and one that lacks some.

    Raises:
        UserError: naming the setting, and the nearest one there is.
    """
    found = dict(leaves(config))
    for key in found.keys() - SETTINGS.keys():
        near = difflib.get_close_matches(key, SETTINGS, 1)
        hint = f"; did you mean config.{near[0]}?" if near else ""
        raise UserError(f"config.{key}: there is no such setting{hint}")
    for key in SETTINGS:
        if key not in found:
            raise UserError(f"config.{key} is missing: {SETTINGS[key].meaning}")


def leaves(config: Mapping[str, Any] | ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted key, but for those of the data sets."""
    for name, value in config.items():
        key = f"{prefix}{name}"
        if prefix == "data." and name in SETS:
            continue
        if isinstance(value, Mapping | ConfigDict):
            yield from leaves(value, f"{key}.")
        else:
            yield key, value
