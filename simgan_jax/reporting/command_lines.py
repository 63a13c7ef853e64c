"""The commands of a run, and what they change of the configuration that they name."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from simgan_jax.training import provenance

# --config.train.steps=5, --config.train.steps 5, --noconfig.loss.local
SETTING = re.compile(r"--?(no)?config\.([\w.]+)(?:=(.*))?", re.DOTALL)


def changed_settings(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings that the commands give other than the named configuration, as typed; the last counts."""
    found = {}
    for part in provenance.parts(environment):
        words = _words(part)
        for i, word in enumerate(words):
            if match := SETTING.fullmatch(word):
                negated, key, value = match.groups()
                following = words[i + 1] if i + 1 < len(words) else ""
                if value is None:  # a switch alone, or the value is the next word
                    switch = negated or not following or following.startswith("--")
                    value = str(not negated) if switch else following
                found[key] = value
    return sorted(found.items())


def command_lines(environment: Mapping[str, Any]) -> list[str]:
    """The commands of the run as typed, that of its first part first; a repeated one once."""
    return list(dict.fromkeys(filter(None, map(_command_line, provenance.parts(environment)))))


def _command_line(part: Mapping[str, Any]) -> str:
    words = _words(part)
    if not words:
        return ""
    if words[0] == "main.py":
        words[:1] = ["python", "-m", "simgan_jax.main"]
    return shlex.join(words)


def _words(part: Mapping[str, Any]) -> list[str]:
    """Of the command of one part of a run, [] if unknown."""
    words = part.get("command")
    return [str(word) for word in words] if isinstance(words, list) else []
