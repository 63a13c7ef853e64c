"""The report of a run whose files are damaged, missing or of another version."""

import json
import shutil

import numpy as np
import pytest
from run_folders import read_page, write_samples

from simgan_jax.errors import UserError
from simgan_jax.reporting.page import write_report


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 9999, "\udcff", '{"data": NaN'])
def test_a_damaged_configuration_is_one_clear_line(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"config.json.*damaged"):
        write_report(tmp_path)


def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match=r"config.json: no such file; --workdir"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["environment.json", "evaluation.json", "metrics.jsonl"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"[" * 9999, b"\xff\xfe", b'{"a": [1]}\n7\n']
)
def test_damaged_files_never_stop_the_report(bare, name, content):
    (bare / name).write_bytes(content)
    assert "simgan_jax report" in read_page(write_report(bare).parent)


def test_damaged_samples_are_named_and_the_others_shown(bare):
    write_samples(bare, 10, np.zeros((2, 3, 35, 55, 1), np.uint8))
    (bare / "samples" / "000020.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    page = read_page(write_report(bare).parent)
    assert "000020.png" in page
    assert "Example 2, refined at step 10" in page


def test_samples_of_another_size_are_shown_whole(bare):
    write_samples(bare, 10, np.zeros((2, 3, 20, 31, 1), np.uint8))
    assert "Samples at step 10" in read_page(write_report(bare).parent)


def test_a_damaged_checkpoint_leaves_the_report_without_heat_maps(bare):
    write_samples(bare, 10, np.zeros((2, 3, 35, 55, 1), np.uint8))
    (bare / "checkpoints" / "10").mkdir(parents=True)
    assert "No heat maps" in read_page(write_report(bare).parent)


@pytest.mark.parametrize("damaged", [False, True])
def test_the_report_changes_nothing_of_a_run_but_its_own_pages(finished, tmp_path, damaged):
    workdir = shutil.copytree(finished, tmp_path / "run")
    if damaged:
        files = [x for x in (workdir / "checkpoints").rglob("*") if x.is_file()]
        largest = max(files, key=lambda x: x.stat().st_size)
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    before = contents(workdir)
    text = read_page(write_report(workdir).parent)
    assert contents(workdir) == before
    assert ("No heat maps" in text) == damaged


def contents(workdir):
    """Every file's bytes, but for the pages."""
    files = [x for x in workdir.rglob("*") if x.is_file() and x.suffix not in (".html", ".md")]
    return {x: x.read_bytes() for x in files}


def test_a_run_of_a_folder_whose_name_is_no_utf_8_has_a_report(bare):
    config = json.loads((bare / "config.json").read_text())
    config["data"]["real"] = {"source": "folder", "path": "photos_\udcff"}
    (bare / "config.json").write_text(json.dumps(config))
    write_report(bare)
    assert "photos_\\udcff" in read_page(bare)
