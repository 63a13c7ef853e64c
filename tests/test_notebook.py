import zipfile

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from tiny import EVALUATION, ROOT, SETTINGS

from simgan_jax.io import image_files

NOTEBOOK = ROOT / "experiments" / "colab.ipynb"
# Algorithm 1 alone, seen at its second and at its last step.
TINY = (
    SETTINGS
    | EVALUATION
    | {"train.pretrain_refiner": 0, "train.pretrain_discriminator": 0, "watch.sample_every": 2}
)


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_valid_and_holds_no_output(notebook):
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_the_notebook_runs_from_top_to_bottom(notebook, tmp_path, monkeypatch):
    uploads, refined = tmp_path / "uploads", tmp_path / "refined"
    uploads.mkdir()
    colour = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    image_files.write_image(uploads / "mine.png", colour)
    (uploads / "labels.csv").write_text("file,x\nmine.png,1\n")
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "4")
    cell.source = (
        f"VARIANT, WORKDIR, SETTINGS = 'tiny', {str(tmp_path / 'run')!r}, {TINY}\n"
        f"UPLOADS, REFINED, REPOSITORY = {str(uploads)!r}, {str(refined)!r}, ''"
    )
    # The last cell packs archives into the current folder.
    download = notebook.cells[-1]
    download.source = f"os.chdir({str(tmp_path)!r})\n{download.source}"
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": NOTEBOOK.parent}}
    )
    client.execute()

    outputs = [x for cell in notebook.cells for x in cell.get("outputs", ())]
    assert sum("image/png" in x.get("data", {}) for x in outputs) == 3
    assert any(
        "Is it better on real images?" in x.get("data", {}).get("text/markdown", "")
        for x in outputs
    )
    assert image_files.read(refined / "mine.png").pixels.shape == (1, 40, 60, 3)
    assert (refined / "labels.csv").read_text() == "file,x\nmine.png,1\n"
    assert (tmp_path / "run" / "report.html").exists()
    names = zipfile.ZipFile(tmp_path / "run.zip").namelist()
    assert "run/report.html" in names
    assert not any("checkpoints" in name for name in names)
    assert "mine.png" in zipfile.ZipFile(tmp_path / "refined.zip").namelist()
