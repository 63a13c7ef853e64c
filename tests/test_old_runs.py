"""Folders of runs that released versions have written open in every verb.

Each archive in old_runs/ is named after the version that wrote it: a run of six steps on embedded eyes.
The discriminator's parameters were set to zero before that version saved them, to keep it small.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from run_folders import read_page

from simgan_jax.evaluation.choice import competing, earlier_choice
from simgan_jax.refinement import weights
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.reporting.page import write_report
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.provenance import read_setup

ARCHIVES = sorted((Path(__file__).parent / "old_runs").glob("*.tar.xz"))


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_a_run_of_an_old_version_opens_in_every_verb(archive, tmp_path):
    shutil.unpack_archive(archive, tmp_path)
    (workdir,) = tmp_path.iterdir()
    _, setup = read_setup(workdir)
    assert Checkpoints(workdir).resume(devices.distribute(setup, 1)).step == 6
    assert competing(workdir) == [6]
    assert earlier_choice(workdir)["step"] == 6
    refine = load_refiner(workdir)
    images = np.arange(2 * 24 * 24, dtype=np.uint8).reshape(2, 24, 24, 1)
    refined = refine(images)
    weights.write(tmp_path / "a.npz", refine.config, refine.params, refine.step)
    np.testing.assert_array_equal(load_refiner(tmp_path / "a.npz")(images), refined)
    assert "simgan_jax report" in read_page(write_report(workdir).parent)


def test_there_is_a_run_of_every_released_version():
    assert [path.name for path in ARCHIVES] == ["0.1.0.tar.xz"]
