"""`--print_config`: every setting of a configuration, with its meaning and the values it takes."""

import shlex
from collections.abc import Iterator

from ml_collections import ConfigDict

from simgan_jax.data import SOURCES, specification
from simgan_jax.settings import SETS, SETTINGS, leaves


def described(config: ConfigDict) -> Iterator[str]:
    """A line a setting: the flag that sets it, its meaning, and its range.

    Args:
        config: with settings that there are, as `check_settings` finds out.
    """
    for key, value in leaves(config):
        yield _line(key, value, SETTINGS[key].meaning, SETTINGS[key].range)
    for name in SETS:
        spec = config.data.get(name) or {}
        for key, value in spec.items():
            if key == "source":
                yield _line(f"data.{name}.source", value, "of the images", ", ".join(SOURCES))
            else:
                argument = specification.describe(SOURCES[spec["source"]])[key]
                yield _line(f"data.{name}.{key}", value, argument.meaning, argument.range)


def _line(key: str, value: object, meaning: str, values: str) -> str:
    if isinstance(value, ConfigDict):
        value = value.to_dict()
    return f"{shlex.quote(f'--config.{key}={value}')}  # {meaning} [{values}]"
