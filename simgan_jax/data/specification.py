"""What each data source takes: the keyword arguments of its `load`, described by its docstring."""

import difflib
import importlib
import inspect
import json
import math
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from simgan_jax.errors import UserError

WORDS = {
    str: "a text",
    bool: "True or False",
    int: "a whole number, at least 0",
    float: "a number, at least 0",
    Mapping: "settings by name",
    Sequence: "a list",
    tuple: "a list",
    types.NoneType: "None",
}


class Argument(NamedTuple):
    """What a source takes under a name.

    Attributes:
        meaning: in words.
        hint: its type; single numbers are sizes, counts, limits and seeds, and never negative.
        needed: whether there is no default.
    """

    meaning: str
    hint: Any
    needed: bool

    @property
    def range(self) -> str:
        """Which values it takes, in words."""
        return " or ".join(WORDS[typing.get_origin(x) or x] for x in _alternatives(self.hint))


def describe(source: str) -> dict[str, Argument]:
    """What a source takes.

    Args:
        source: module with a function `load`.
    """
    load = importlib.import_module(source).load
    hints, meanings = typing.get_type_hints(load), _meanings(load)
    return {
        name: Argument(meanings[name], hints[name], parameter.default is parameter.empty)
        for name, parameter in inspect.signature(load).parameters.items()
    }


def check(keywords: Mapping[str, Any], source: str, where: str) -> None:
    """Refuses what a source does not take.

    Args:
        keywords: by name.
        source: module with a function `load`.
        where: what to call it in messages.

    Raises:
        UserError: an unknown name, a missing one, or a value of another type or out of range.
    """
    known = describe(source)
    for name, value in keywords.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UserError(f"{where}: there is no setting {name!r}; {hint}")
        if not _fits(value, known[name].hint):
            raise UserError(f"{where}: {name} is {value!r}, must be {known[name].range}")
    for name, argument in known.items():
        if argument.needed and name not in keywords:
            raise UserError(f"{where}: {name} is missing: {argument.meaning}")


def read(text: str, argument: Argument | None) -> Any:
    """The value that a text on a command line stands for.

    Args:
        text: JSON, or True, False, or a text.
        argument: what it is for; None where there is no such.

    Returns:
        The text itself where the source takes one and nothing else that it could be: a folder may be
        called 7.
    """
    try:
        value = json.loads(text.lower() if text in ("True", "False") else text)
    except json.JSONDecodeError:
        return text
    is_text = argument and not _fits(value, argument.hint) and _fits(text, argument.hint)
    return text if is_text else value


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of a union."""
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of a configuration or a command line is of a type."""
    if hint is Any:
        return True
    if isinstance(hint, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if hint in (bool, types.NoneType):
        return isinstance(value, hint)
    if hint is str:
        return isinstance(value, str | os.PathLike)
    if hint in (int, float):
        return _is_number(value, Integral if hint is int else Real) and value >= 0
    if (kind := typing.get_origin(hint)) is Mapping:
        return isinstance(value, Mapping | ConfigDict)
    if isinstance(value, str):
        return kind is Sequence and _fits(value, typing.get_args(hint)[0])
    if not isinstance(value, list | tuple):
        return False
    inside = typing.get_args(hint)
    if kind is tuple:  # of numbers of either sign
        return len(value) == len(inside) and all(_is_number(x, Real) for x in value)
    return all(_fits(x, inside[0]) for x in value)


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)


def _meanings(load: Any) -> dict[str, str]:
    """The arguments of a docstring in Google's style."""
    text = inspect.getdoc(load).partition("Args:\n")[2].partition("\n\n")[0]
    return dict(_entries(text))


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for entry in re.split(r"\n(?=    \w)", f"\n{text}"):
        if entry.strip():
            name, _, meaning = entry.partition(":")
            yield name.strip(), " ".join(meaning.split()).rstrip(".")
