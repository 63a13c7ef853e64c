"""PyTorch in a process of its own, that takes turns with ours."""

import json
import subprocess
import sys
from functools import cached_property

from ml_collections import ConfigDict

from experiments.benchmark.ours import ESTIMATOR_UPDATES
from simgan_jax.estimators.settings import make_settings


class PyTorch:
    """pytorch_simgan.py in a process of its own.

    Attributes:
        peak_bytes: of the process.
        device_peak_bytes: that PyTorch has held on the accelerator; 0 on a CPU.
    """

    def __init__(self, config: ConfigDict, images: int, compiled: bool = False):
        """Starts the process, and does not wait for it.

        Args:
            config: networks and sizes.
            images: in each of its two sets.
            compiled: whether `torch.compile` makes its networks and losses.
        """
        adam = config.optimizer.refiner
        estimator = make_settings(config.evaluate.estimator.to_dict())
        options = {
            "features": config.refiner.features,
            "blocks": config.refiner.blocks,
            "batch": config.train.batch,
            "history": config.history.size,
            "refiner_updates": config.train.refiner_updates,
            "discriminator_updates": config.train.discriminator_updates,
            "self_regularization": config.loss.self_regularization,
            "optimizer": adam.name,
            "learning_rate": adam.learning_rate,
            "momentum": adam.momentum,
            "count": images,
            "height": config.image.height,
            "width": config.image.width,
            "estimator": {
                "width": estimator.width,
                "batch": estimator.batch,
                "updates": ESTIMATOR_UPDATES,
                "learning_rate": estimator.learning_rate,
            },
            "dtype": config.refiner.dtype,
            "compiled": compiled,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.benchmark.pytorch_simgan", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.peak_bytes = self.device_peak_bytes = 0

    @cached_property
    def about(self) -> dict:
        """Version, threads, device and precision, as soon as it is ready."""
        return self._answer()

    def seconds(self, task: str, times: int = 1) -> float:
        """Has it take so many steps, and waits for the last one alone."""
        self.about  # noqa: B018  its first answer
        self._process.stdin.write(f"{task} {times}\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.peak_bytes = answer["peak_bytes"]
        self.device_peak_bytes = answer["device_peak_bytes"]
        return answer["seconds"]

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the PyTorch process ended with {self._process.wait()}")
        return json.loads(line)
