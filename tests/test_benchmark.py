import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from experiments.benchmark import __main__ as benchmark

ROOT = Path(__file__).parents[1]


@pytest.fixture
def config(tiny_config):
    tiny_config.loss.weight.label = ""
    tiny_config.refiner.padding = "SAME"
    tiny_config.train.ema = 0.0
    return tiny_config


def test_the_settings_are_the_papers_networks_at_batch_64():
    config = benchmark.settings()
    setup = benchmark.make_setup(config)
    params = benchmark.create_train_state(jax.random.key(0), setup)
    sizes = [
        sum(x.size for x in jax.tree.leaves(network.params))
        for network in (params.refiner, params.discriminator)
    ]
    assert sizes == [296_129, 75_906]
    assert (setup.batch, setup.history_size) == (64, 6400)
    assert (setup.refiner_updates, setup.discriminator_updates) == (2, 1)


def test_without_pytorch_our_own_times_are_measured(config, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    monkeypatch.setattr(benchmark, "IMAGES", 32)
    result = benchmark.measure(config, rounds=2)
    assert result["ratio_to_pytorch"] == {}
    assert set(result["seconds"]) == set(result["compile_seconds"]) == set(benchmark.TASKS)
    for times in result["seconds"].values():
        assert set(times) == {"jax"}
        assert 0 < times["jax"]["low"] <= times["jax"]["median"] <= times["jax"]["high"]
    assert result["images_per_second"] == pytest.approx(
        8 * 4 / result["seconds"]["iteration"]["jax"]["median"]
    )
    assert all(size > 0 for size in result["memory_bytes"].values())
    json.dumps(result)
    benchmark.show(result)
    assert "PyTorch is not installed" in capsys.readouterr().out


def test_spread_is_median_and_quartiles():
    assert benchmark.spread([5.0, 1.0, 2.0, 4.0, 3.0]) == {"median": 3, "low": 2, "high": 4}


def test_pytorch_takes_turns(config, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra `benchmark`")
    monkeypatch.setattr(benchmark, "IMAGES", 32)
    result = benchmark.measure(config, rounds=1)
    assert set(result["ratio_to_pytorch"]) == set(benchmark.TASKS)
    assert result["memory_bytes"]["pytorch_process"] > 0


def test_pytorch_computes_the_same_losses():
    pytest.importorskip("torch", reason="needs the extra `benchmark`")
    script = """
import torch
from experiments.benchmark import pytorch_simgan as p
count = lambda network: sum(x.numel() for x in network.parameters())
print(count(p.make_refiner(64, 4)), count(p.make_discriminator()))
logits = torch.tensor([[[[0.0]], [[1.0]]]])
print(round(float(p.cross_entropy(logits, p.REFINED)), 4))
print(tuple(p.make_discriminator()(torch.zeros(1, 1, 35, 55)).shape))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # -log(e / (1 + e)) = 0.3133
    assert done.stdout.splitlines() == ["296129 75906", "0.3133", "(1, 2, 9, 14)"]
