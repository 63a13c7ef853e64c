"""The user's cache: what commands keep from one call to the next, and anybody may delete."""

import os
from pathlib import Path


def private_folder(name: str) -> Path | None:
    """A folder below ~/.cache/simgan_jax ($XDG_CACHE_HOME where that is set), made if missing.

    Private, as others could put something there; None if it cannot be written.
    """
    try:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(caches) / "simgan_jax" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter: no home
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None
