"""How much an evaluation measures: rows, seeds, images."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ml_collections import ConfigDict

from simgan_jax.errors import UserError
from simgan_jax.estimators.settings import EstimatorSettings, make_settings

# What an estimator can be trained on. "matched" are synthetic images with the grey values of real ones,
# "fda" those with their low frequencies: what can be done without a network. "refined_matched" are
# refined images with the grey values of real ones; "real" are labelled real images, the ceiling.
BASES = ("synthetic", "refined_matched", "refined", "real", "matched", "fda")
# What needs neither a refiner nor a label of a real image: refined rows are measured against the
# best row of these, too.
CHEAP = ("synthetic", "matched", "fda")
REFINED = ("refined", "refined_matched")
# The row of the table that no estimator is trained for: always the mean label, what can be predicted
# without looking.
FLOOR = "mean_predictor"


@dataclass(frozen=True)
class Row:
    """A row of the table of estimators; `str` gives its name in evaluation.json.

    Attributes:
        base: one of `BASES`.
        times: how many times the plan's number of images.
        augmented: whether images are changed at random while it trains.
    """

    base: str
    times: int = 1
    augmented: bool = False

    def __str__(self) -> str:
        return f"{self.base}{self.suffix}"

    @property
    def suffix(self) -> str:
        """What follows the base in its name: number of images, and augmentation."""
        size = "" if self.times == 1 else f"_{self.times}x"
        return f"{size}{'_augmented' if self.augmented else ''}"

    @classmethod
    def parse(cls, name: str) -> "Row":
        """The row of a name such as "refined_4x_augmented".

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(rf"({'|'.join(BASES)})(?:_([2-9]|[1-9]\d+)x)?(_augmented)?", name)
        if not match:
            raise ValueError(
                f"{name!r}; a row is one of {', '.join(BASES)}, perhaps with _4x (four times the "
                "images), perhaps with _augmented"
            )
        return cls(match[1], int(match[2] or 1), bool(match[3]))

    @classmethod
    def find(cls, name: str) -> "Row | None":
        """The row of a name in a file, None for `FLOOR` and for what another version may know."""
        try:
            return cls.parse(name)
        except ValueError:
            return None


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rows: what estimators are trained on.
        seeds: estimators trained a row.
        images: training images a row, before a row's `times`; fewer where there are fewer.
        probe: images, apart from the former, on which realism and label shift are measured.
        discriminator_steps: updates of a fresh discriminator.
        whole_image: whether a fresh discriminator of whole images is trained as well.
        estimator: training of the estimators.
    """

    rows: tuple[Row, ...]
    seeds: int
    images: int
    probe: int
    discriminator_steps: int
    whole_image: bool
    estimator: EstimatorSettings


def default_settings() -> ConfigDict:
    """The group `evaluate` of a configuration.

    "quick" ends a run in two minutes on two CPU cores, "full" takes about half an hour there. The
    paper's estimator is `estimator.width = 1`, its hourglass `features = 256, stacks = 2`.
    """
    c = ConfigDict()
    c.estimator = ConfigDict(asdict(EstimatorSettings()))
    c.quick = ConfigDict()
    c.quick.rows = ("synthetic", "refined", "real", "matched", "synthetic_augmented")
    c.quick.seeds = 1
    c.quick.images = 6000
    c.quick.probe = 500
    c.quick.discriminator_steps = 150
    c.quick.whole_image = False
    c.quick.estimator_steps = 2500
    c.full = ConfigDict()
    c.full.rows = (
        *(
            row + suffix
            for suffix in ("", "_augmented")
            for row in ("synthetic", "refined", "real", "matched")
        ),
        "synthetic_4x",
        "refined_4x",
    )
    c.full.seeds = 3
    c.full.images = 8000
    c.full.probe = 1000
    c.full.discriminator_steps = 300
    c.full.whole_image = True
    c.full.estimator_steps = 8000
    return c


def make_plan(config: Mapping[str, Any], level: str) -> Plan:
    """The plan of a level.

    Args:
        config: the group `evaluate` of a configuration, see `default_settings`.
        level: "quick" or "full".

    Raises:
        UserError: no such level, row or setting.
    """
    if level not in ("quick", "full"):
        raise UserError(f"--level={level}: there are quick and full")
    chosen = dict(config[level])
    estimator = make_settings(dict(config["estimator"]))
    estimator = replace(estimator, steps=chosen.pop("estimator_steps"))
    try:
        chosen["rows"] = tuple(Row.parse(name) for name in chosen["rows"])
    except ValueError as error:
        raise UserError(f"config.evaluate.{level}.rows: {error}") from error
    return Plan(estimator=estimator, **chosen)
