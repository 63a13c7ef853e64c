"""The algorithm of simgan_jax.steps in PyTorch, to be timed beside it.

Same networks, losses, optimiser, history and batches; channels-last, float32 unless told otherwise. On
a GPU float32 means TF32 in convolutions and products, as in XLA, and cuDNN chooses its algorithms by
trial, as XLA does. Run by `python -m experiments.benchmark`: it reads tasks from standard input, a name
and how many times a line, and answers each with a line of JSON, so that both frameworks have a process
and thread pool of their own.
"""

import json
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.benchmark.memory import peak_bytes
from experiments.benchmark.pytorch_estimator import make_gaze_estimator

REAL, REFINED = 0, 1


class ResidualBlock(nn.Module):
    """conv, ReLU, conv, add, ReLU."""

    def __init__(self, features: int):
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, f, h, w] to the same."""
        return F.relu(x + self.second(F.relu(self.first(x))))


def make_refiner(features: int, blocks: int) -> nn.Module:
    """The refiner of section 3.1."""
    return nn.Sequential(
        nn.Conv2d(1, features, 3, padding=1),
        nn.ReLU(),
        *[ResidualBlock(features) for _ in range(blocks)],
        nn.Conv2d(features, 1, 1),
        nn.Tanh(),
    )


def make_discriminator() -> nn.Module:
    """The discriminator of section 3.1."""
    return nn.Sequential(
        nn.Conv2d(1, 96, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(96, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.Conv2d(64, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 1),
        nn.ReLU(),
        nn.Conv2d(32, 2, 1),
    )


def to_unit(images: Tensor) -> Tensor:
    """uint8 to [-1, 1]."""
    return images.float() / 127.5 - 1


def to_grey(images: Tensor) -> Tensor:
    """[-1, 1] to uint8."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


class Trainer:
    """Networks, optimisers, history and data of a run.

    Args:
        options: features, blocks, batch, history, refiner_updates, discriminator_updates,
            self_regularization, learning_rate, momentum, count (images in each set), height, width,
            estimator (width, batch, updates of one task, learning_rate), dtype ("float32" or
            "bfloat16", the latter by autocast), optimizer ("adam" or "sgd"), compiled (whether
            `torch.compile` makes networks and losses).
    """

    def __init__(self, options: dict):
        torch.manual_seed(0)
        self.options = options
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.refiner, self.discriminator = (
            network.to(self.device, memory_format=torch.channels_last)
            for network in (
                make_refiner(options["features"], options["blocks"]),
                make_discriminator(),
            )
        )
        # In one kernel where all else is compiled too.
        self.fused = {"fused": True} if options["compiled"] else {}
        self.refiner_optimizer, self.discriminator_optimizer = (
            self.make_optimizer(network) for network in (self.refiner, self.discriminator)
        )
        estimator = options["estimator"]
        self.estimator = make_gaze_estimator(
            options["height"], options["width"], estimator["width"]
        ).to(self.device, memory_format=torch.channels_last)
        self.estimator_optimizer = torch.optim.Adam(
            self.estimator.parameters(), lr=estimator["learning_rate"], **self.fused
        )
        compiled = torch.compile if options["compiled"] else lambda function: function
        self.refine = compiled(self.refine)
        self.estimator_loss = compiled(self.estimator_loss)
        self.refiner_loss = compiled(self.refiner_loss)
        self.discriminator_loss = compiled(self.discriminator_loss)
        shape = (1, options["height"], options["width"])
        self.synthetic, self.real, self.history = (
            torch.randint(0, 256, (count, *shape), dtype=torch.uint8, device=self.device)
            for count in (options["count"], options["count"], options["history"])
        )
        self.batches = {"synthetic": self.draw(self.synthetic), "real": self.draw(self.real)}
        self.gaze = torch.tensor([[0.0, 0.0, -1.0]] * estimator["batch"], device=self.device)

    def draw(self, images: Tensor) -> Tensor:
        """A random mini-batch."""
        size = (self.options["batch"],)
        return images[torch.randint(len(images), size, device=self.device)]

    def autocast(self) -> torch.autocast:
        """Computes in bfloat16 where the options say so."""
        on = self.options["dtype"] == "bfloat16"
        return torch.autocast(self.device, torch.bfloat16, enabled=on)

    def make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """As the options say."""
        rate, momentum = self.options["learning_rate"], self.options["momentum"]
        if self.options["optimizer"] == "sgd":
            return torch.optim.SGD(network.parameters(), lr=rate, momentum=momentum, **self.fused)
        return torch.optim.Adam(
            network.parameters(), lr=rate, betas=(momentum, 0.999), **self.fused
        )

    def refine(self, synthetic: Tensor) -> Tensor:
        """R(x), [-1, 1]."""
        with torch.no_grad(), self.autocast():
            x = to_unit(synthetic).to(memory_format=torch.channels_last)
            return self.refiner(x).float()

    def refiner_loss(self, synthetic: Tensor) -> Tensor:
        """Equation 1."""
        x = to_unit(synthetic).to(memory_format=torch.channels_last)
        with self.autocast():
            refined = self.refiner(x)
            logits = self.discriminator(refined)
        change = (refined - x).abs().mean()
        return cross_entropy(logits, REAL) + self.options["self_regularization"] * change

    def discriminator_loss(self, real: Tensor, now: Tensor, past: Tensor) -> Tensor:
        """Equation 2."""
        images = torch.cat([to_unit(real), now, to_unit(past)])
        with self.autocast():
            logits = self.discriminator(images.to(memory_format=torch.channels_last))
        on_real = cross_entropy(logits[: len(real)], REAL)
        return (on_real + cross_entropy(logits[len(real) :], REFINED)) / 2

    def estimator_loss(self, images: Tensor) -> Tensor:
        """Half the squared distance to one gaze."""
        with self.autocast():
            outputs = self.estimator(to_unit(images).to(memory_format=torch.channels_last))
        return (outputs.float() - self.gaze).square().sum(1).mean() / 2

    def estimator_updates(self) -> None:
        """As many as the options say, on one batch."""
        images = self.synthetic[: self.options["estimator"]["batch"]]
        for _ in range(self.options["estimator"]["updates"]):
            self.estimator_optimizer.zero_grad()
            self.estimator_loss(images).backward()
            self.estimator_optimizer.step()

    def refiner_update(self, synthetic: Tensor) -> None:
        """Algorithm 1, lines 3-6."""
        # The discriminator's own gradients are not wanted here.
        self.discriminator.requires_grad_(False)
        self.refiner_optimizer.zero_grad()
        self.refiner_loss(synthetic).backward()
        self.refiner_optimizer.step()
        self.discriminator.requires_grad_(True)

    def discriminator_update(self, synthetic: Tensor, real: Tensor) -> None:
        """Algorithm 1, lines 7-10, with a full history."""
        half = len(real) // 2
        now = self.refine(synthetic[:half])
        past = self.history[torch.randperm(len(self.history), device=self.device)[:half]]
        slots = torch.randperm(len(self.history), device=self.device)[:half]
        self.history[slots] = to_grey(now)
        self.discriminator_optimizer.zero_grad()
        self.discriminator_loss(real, now, past).backward()
        self.discriminator_optimizer.step()

    def iteration(self) -> None:
        """One outer iteration on new random batches."""
        for _ in range(self.options["refiner_updates"]):
            self.refiner_update(self.draw(self.synthetic))
        for _ in range(self.options["discriminator_updates"]):
            self.discriminator_update(self.draw(self.synthetic), self.draw(self.real))

    def tasks(self) -> dict[str, Callable[[], None]]:
        """What can be timed, by name."""
        synthetic, real = self.batches["synthetic"], self.batches["real"]

        def step_only():
            for _ in range(self.options["refiner_updates"]):
                self.refiner_update(synthetic)
            for _ in range(self.options["discriminator_updates"]):
                self.discriminator_update(synthetic, real)

        return {
            "refiner_update": lambda: self.refiner_update(synthetic),
            "discriminator_update": lambda: self.discriminator_update(synthetic, real),
            "iteration": self.iteration,
            "iteration_step_only": step_only,
            "refine": lambda: to_grey(self.refine(synthetic)),
            "estimator": self.estimator_updates,
        }

    def seconds(self, task: str, times: int) -> float:
        """Time of one task, done so many times."""
        function, start = self.tasks()[task], time.perf_counter()
        for _ in range(times):
            function()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def cross_entropy(logits: Tensor, label: int) -> Tensor:
    """Mean over patches and examples, every patch with the same label."""
    return -F.log_softmax(logits.float(), 1)[:, label].mean()


def serve(options: dict) -> None:
    """Answers each task named on standard input with its seconds and the process's peak memory."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    trainer = Trainer(options)
    on_gpu = trainer.device == "cuda"
    about = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "tf32": torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32,
    }
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        task, times = line.split()
        answer = {
            "seconds": trainer.seconds(task, int(times)),
            "peak_bytes": peak_bytes(),
            "device_peak_bytes": torch.cuda.max_memory_allocated() if on_gpu else 0,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
