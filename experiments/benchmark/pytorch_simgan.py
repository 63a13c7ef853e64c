"""The algorithm of simgan_jax.steps in PyTorch, to be timed beside it.

Same networks, losses, optimiser, history and batches; channels-last, float32 unless told otherwise.
Run by `python -m experiments.benchmark`: it reads names of tasks from standard input, one a line, and
answers each with a line of JSON, so that both frameworks have a process and thread pool of their own.
"""

import json
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.benchmark.memory import peak_bytes

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


class Trainer:
    """Networks, optimisers, history and data of a run.

    Args:
        options: features, blocks, batch, history, refiner_updates, discriminator_updates,
            self_regularization, learning_rate, momentum, count (images in each set), height, width,
            dtype ("float32" or "bfloat16", the latter by autocast).
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
        adam = {"lr": options["learning_rate"], "betas": (options["momentum"], 0.999)}
        self.refiner_optimizer = torch.optim.Adam(self.refiner.parameters(), **adam)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), **adam)
        shape = (1, options["height"], options["width"])
        self.synthetic, self.real, self.history = (
            torch.randint(0, 256, (count, *shape), dtype=torch.uint8, device=self.device)
            for count in (options["count"], options["count"], options["history"])
        )
        self.batches = {"synthetic": self.draw(self.synthetic), "real": self.draw(self.real)}

    def draw(self, images: Tensor) -> Tensor:
        """A random mini-batch."""
        size = (self.options["batch"],)
        return images[torch.randint(len(images), size, device=self.device)]

    def autocast(self) -> torch.autocast:
        """Computes in bfloat16 where the options say so."""
        on = self.options["dtype"] == "bfloat16"
        return torch.autocast(self.device, torch.bfloat16, enabled=on)

    def refiner_update(self, synthetic: Tensor) -> None:
        """Algorithm 1, lines 3-6."""
        x = to_unit(synthetic).to(memory_format=torch.channels_last)
        self.refiner_optimizer.zero_grad()
        with self.autocast():
            refined = self.refiner(x)
            logits = self.discriminator(refined)
        loss = cross_entropy(logits, REAL)
        loss = loss + self.options["self_regularization"] * (refined - x).abs().mean()
        # The discriminator's own gradients are not wanted here.
        parameters = list(self.refiner.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.refiner_optimizer.step()

    def discriminator_update(self, synthetic: Tensor, real: Tensor) -> None:
        """Algorithm 1, lines 7-10, with a full history."""
        half = len(real) // 2
        with torch.no_grad(), self.autocast():
            x = to_unit(synthetic[:half]).to(memory_format=torch.channels_last)
            now = self.refiner(x).float()
        past = self.history[torch.randperm(len(self.history), device=self.device)[:half]]
        slots = torch.randperm(len(self.history), device=self.device)[:half]
        self.history[slots] = ((now + 1) * 127.5).round().to(torch.uint8)
        self.discriminator_optimizer.zero_grad()
        images = torch.cat([to_unit(real), now, to_unit(past)])
        with self.autocast():
            logits = self.discriminator(images.to(memory_format=torch.channels_last))
        on_real = cross_entropy(logits[: len(real)], REAL)
        on_refined = cross_entropy(logits[len(real) :], REFINED)
        ((on_real + on_refined) / 2).backward()
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

        def refine():
            with torch.no_grad(), self.autocast():
                x = to_unit(synthetic).to(memory_format=torch.channels_last)
                ((self.refiner(x).float() + 1) * 127.5).round().to(torch.uint8)

        return {
            "refiner_update": lambda: self.refiner_update(synthetic),
            "discriminator_update": lambda: self.discriminator_update(synthetic, real),
            "iteration": self.iteration,
            "iteration_step_only": step_only,
            "refine": refine,
        }

    def seconds(self, task: str) -> float:
        """Time of one task."""
        start = time.perf_counter()
        self.tasks()[task]()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def cross_entropy(logits: Tensor, label: int) -> Tensor:
    """Mean over patches and examples, every patch with the same label."""
    return -F.log_softmax(logits.float(), 1)[:, label].mean()


def serve(options: dict) -> None:
    """Answers each task named on standard input with its seconds and the process's peak memory."""
    trainer = Trainer(options)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        answer = {
            "seconds": trainer.seconds(line.strip()),
            "peak_bytes": peak_bytes(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
