"""The time that a part of the experiment has, and the file that it writes to."""

import json
import time
from pathlib import Path
from typing import Any

from simgan_jax.io.atomic import write_json

FILE = "result.json"


class Part:
    """A part at work.

    Attributes:
        name: of the part.
        quick: whether it is only tried out.
        folder: of the results.
        scratch: folder for all else, removed after the part.
    """

    def __init__(
        self, name: str, seconds: float, quick: bool, folder: str | Path, scratch: str | Path
    ):
        """Starts the clock.

        Args:
            name: of the part.
            seconds: that it may take.
            quick: whether it is only tried out.
            folder: of the results.
            scratch: folder for all else.
        """
        self.name, self.quick = name, quick
        self.folder, self.scratch = Path(folder), Path(scratch)
        self._end = time.perf_counter() + seconds

    def left(self) -> float:
        """Seconds until it should be over."""
        return self._end - time.perf_counter()

    def report(self, **found: Any) -> None:
        """Adds to what the result says of this part, at once, so that nothing is lost when it ends."""
        file = self.folder / FILE
        result = json.loads(file.read_text()) if file.exists() else {}
        own = result.setdefault("parts", {}).setdefault(self.name, {})
        own |= found
        write_json(file, result)
        print(f"{self.name}: {json.dumps(found)}", flush=True)
