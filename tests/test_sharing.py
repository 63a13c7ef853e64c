"""What is shared says what it is, and loads."""

import hashlib
import json

import numpy as np
import pytest
import yaml
from refiners import random_images
from run_folders import EVALUATION, write

from simgan_jax.errors import UserError
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.reporting.sharing import share


@pytest.fixture(scope="module")
def shared(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "eyes-refiner"
    share(finished, folder, weights_license="cc-by-4.0")
    return folder


def test_a_shared_refiner_is_that_of_the_run(finished, shared):
    assert sorted(x.name for x in shared.iterdir()) == ["README.md", "model.safetensors"]
    images = random_images(2, 24, 24, 1)
    np.testing.assert_array_equal(load_refiner(shared)(images), load_refiner(finished)(images))


def test_the_card_says_to_a_hub_what_it_is(shared):
    _, front, card = (shared / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["license"] == "cc-by-4.0"
    assert front["library_name"] == "simgan_jax"
    assert "simgan" in front["tags"]
    (model,) = front["model-index"]
    (result,) = model["results"]
    assert result["dataset"]["type"] == "procedural_eyes"
    errors = {x["name"].rpartition(": ")[2]: x["value"] for x in result["metrics"]}
    assert errors == {"refined": 6.0, "synthetic": 8.0, "mean predictor": 9.0}
    checksum = hashlib.sha256((shared / "model.safetensors").read_bytes()).hexdigest()
    for text in (
        f"`{checksum}`",
        'load_refiner("eyes-refiner")',
        "--workdir=eyes-refiner",
        "| refined | 6.00 ± 0.10° | 5.00 to 7.00° | 62.5% |",
        "Weights: cc-by-4.0.",
        "## Limits",
    ):
        assert text in card


def test_the_card_has_the_checksums_of_the_data_and_figures_of_these_weights_alone(
    finished, tmp_path
):
    run = tmp_path / "run"
    run.mkdir()
    for path in finished.iterdir():
        (run / path.name).symlink_to(path)
    for name in ("environment.json", "evaluation.json"):
        (run / name).unlink()
    data = {"real": {"shape": [5, 24, 24, 1], "sha256": "ab12"}}
    write(run, "environment.json", {"data": data})
    write(run, "evaluation.json", EVALUATION | {"checkpoint": 30})
    card = share(run, tmp_path / "out").read_text()
    assert "| real | 5 x 24 x 24 x 1 | ab12 |" in card
    assert "6.00" not in card
    assert "model-index" not in card
    assert 'license: "unknown"' in card


def test_nothing_else_is_overwritten(finished, tmp_path):
    (tmp_path / "README.md").write_text("# thesis")
    with pytest.raises(UserError, match="is not of a refiner; name another folder"):
        share(finished, tmp_path)
    assert (tmp_path / "README.md").read_text() == "# thesis"
    with pytest.raises(UserError, match="is the folder of a run"):
        share(finished, finished)
    with pytest.raises(UserError, match=r"config\.json: no such file"):
        share(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="a card tells of a run; name the folder of one"):
        share(finished / "config.json", tmp_path / "out")
    assert json.loads((finished / "config.json").read_text())
