import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import ours
from experiments.benchmark.chart import draw
from experiments.benchmark.ratios import ratios
from simgan_jax import create_train_state, make_setup

ROOT = Path(__file__).parents[1]


@pytest.fixture
def config(tiny_config):
    tiny_config.loss.weight.label = ""
    tiny_config.refiner.padding = "SAME"
    tiny_config.train.ema = 0.0
    tiny_config.evaluate.estimator.update(batch=8, width=0.05)
    return tiny_config


def test_the_settings_are_the_papers_networks_at_batch_64():
    setup = make_setup(ours.settings())
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    sizes = [
        sum(x.size for x in jax.tree.leaves(network.params))
        for network in (state.refiner, state.discriminator)
    ]
    assert sizes == [296_129, 75_906]
    assert (setup.batch, setup.history_size) == (64, 6400)
    assert (setup.refiner_updates, setup.discriminator_updates) == (2, 1)


def test_without_pytorch_our_own_times_are_measured(config, capsys):
    result = benchmark.measure(config, 32, 2, ["jax_bfloat16"])
    assert result["ratio_to_pytorch"] == {}
    assert set(result["seconds"]) == set(benchmark.TASKS)
    for times in result["seconds"].values():
        assert set(times) == {"jax_bfloat16"}
        found = times["jax_bfloat16"]
        assert 0 < found["low"] <= found["median"] <= found["high"]
    assert set(result["compile_seconds"]["jax_bfloat16"]) == set(benchmark.TASKS)
    assert result["images_per_second"]["jax_bfloat16"] == pytest.approx(
        8 * 4 / result["seconds"]["iteration"]["jax_bfloat16"]["median"]
    )
    assert all(size > 0 for size in result["memory_bytes"].values())
    shares = result["share_of_matrix_rate"]
    assert set(shares) == {"iteration_step_only", "refine"}
    assert all(0 < share["jax_bfloat16"] < 2 for share in shares.values())
    assert isinstance(result["machine"]["matrix_unit"], bool)
    json.dumps(result)
    benchmark.show(result)
    assert "PyTorch has not taken part" in capsys.readouterr().out


def test_spread_is_median_and_quartiles():
    assert benchmark.spread([5.0, 1.0, 2.0, 4.0, 3.0]) == {"median": 3, "low": 2, "high": 4}


TIMES = {
    "refine": {
        "jax": [1.0, 2.0, 1.0],
        "jax_bfloat16": [0.5, 1.0, 0.5],
        "pytorch": [2.0, 2.0, 3.0],
        "pytorch_compiled": [1.0, 3.0, 1.5],
        "pytorch_bfloat16": [0.25, 1.0, 0.5],
    }
}


def test_a_ratio_is_of_one_rounds_pair_and_bfloat16_meets_pytorchs_best():
    found = ratios(TIMES)
    assert found["ratio_to_pytorch"] == {"refine": 2.0}
    assert found["spread"] == {"refine": {"median": 2.0, "low": 1.5, "high": 2.5}}
    half = found["bfloat16"]
    assert half["ratio_to_pytorch_float32"] == {"refine": 3.0}
    assert half["ratio_to_pytorch_bfloat16"] == {"refine": 1.0}
    assert half["best"] == {
        "ratio_to_pytorch_float32": {"refine": "pytorch_compiled"},
        "ratio_to_pytorch_bfloat16": {"refine": "pytorch_bfloat16"},
    }


def test_a_task_without_pytorch_has_no_ratio_and_the_chart_tells_of_no_matrix_unit(tmp_path):
    times = {"refine": TIMES["refine"], "iteration": {"jax": [1.0], "jax_bfloat16": [1.0]}}
    found = ratios(times)
    assert found["ratio_to_pytorch"].keys() == {"refine"}
    about = {"matrix_unit": False, "cpu": "C", "cores": 2, "jax": "1", "torch": "2"}
    figure = draw(found | {"machine": about, "rounds": 3}, benchmark.TASKS)
    figure.savefig(tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").stat().st_size > 1000
    assert "no matrix unit" in figure.axes[0].get_xlabel()


def test_pytorch_takes_turns(config):
    pytest.importorskip("torch", reason="needs the extra `benchmark`")
    result = benchmark.measure(config, 32, 1, ["jax", "pytorch"])
    assert set(result["ratio_to_pytorch"]) == set(benchmark.TASKS)
    assert result["bfloat16"]["ratio_to_pytorch_float32"] == {}
    assert result["memory_bytes"]["pytorch_process"] > 0
    assert result["machine"]["torch"]


def test_pytorch_computes_the_same_losses():
    pytest.importorskip("torch", reason="needs the extra `benchmark`")
    script = """
import torch
from experiments.benchmark import pytorch_simgan as p
count = lambda network: sum(x.numel() for x in network.parameters())
print(count(p.make_refiner(64, 4)), count(p.make_discriminator()))
print(count(p.make_gaze_estimator(35, 55, 1.0)))
logits = torch.tensor([[[[0.0]], [[1.0]]]])
print(round(float(p.cross_entropy(logits, p.REFINED)), 4))
print(tuple(p.make_discriminator()(torch.zeros(1, 1, 35, 55)).shape))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # -log(e / (1 + e)) = 0.3133
    assert done.stdout.splitlines() == ["296129 75906", "9816659", "0.3133", "(1, 2, 9, 14)"]
