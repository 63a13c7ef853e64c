"""Masks, files that cannot be read, links and odd names in a folder to refine."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refiners import make_run, random_images, random_refine, tree
from test_refine_never_mixes import fill

from simgan_jax.errors import UserError
from simgan_jax.refinement.folders import refine, refine_folder
from simgan_jax.refinement.inputs import Folder, Options


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


@pytest.fixture
def first(tmp_path):
    return fill(tmp_path / "first", range(4))


def test_masks_beside_pictures_are_asked_about_before_anything_is_written(refiner, first, tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:20] = 1
    Image.fromarray(mask).save(first / "0_m.png")
    Image.fromarray(mask).convert("P").save(first / "1_m.png")
    with pytest.raises(UserError, match=r"0_m\.png: 2 values in flat regions, .*\(and 1 more such"):
        refine_folder(refiner, first, tmp_path / "out", Options())
    assert not (tmp_path / "out").exists()
    refine_folder(refiner, first, tmp_path / "out", Options(copy="*_m.png"))
    assert tree(tmp_path / "out")["0_m.png"] == tree(first)["0_m.png"]
    refine_folder(refiner, first, tmp_path / "all", Options(images="*.png"))
    assert tree(tmp_path / "all")["0_m.png"] != tree(first)["0_m.png"]


def test_a_mask_among_many_pictures_is_asked_about_when_it_is_read(refiner, first, tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:20] = 255
    Image.fromarray(mask).save(first / "2.png")
    with pytest.raises(UserError, match=r"2\.png: 2 values in flat regions, which may be labels"):
        refine_folder(refiner, first, tmp_path / "out", Options(on_error="skip"))
    refine_folder(refiner, first, tmp_path / "out", Options(copy="2.png"))
    refine_folder(refiner, first, tmp_path / "whole", Options(copy="2.png"))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@pytest.mark.parametrize("suffix", [".heic", ".GIF", ".webp", ".exr", ".mp4", ".png"])
def test_what_cannot_be_read_stops_or_is_counted(refiner, first, tmp_path, suffix, capsys):
    for name in ("a", "b"):
        (first / f"{name}{suffix}").write_bytes(b"\0\0\0 ftypheic" + bytes(99))
    reason = "not readable as an image" if suffix == ".png" else f"{suffix[1:].upper()} is not read"
    with pytest.raises(UserError, match=rf"a{suffix}: {reason}.*\(and 1 more such"):
        refine_folder(refiner, first, tmp_path / "out", Options())
    manifest = refine_folder(refiner, first, tmp_path / "out", Options(on_error="skip"))
    assert sorted(manifest.about["failed"]) == [f"a{suffix}", f"b{suffix}"]
    assert "2 files left out, first " in capsys.readouterr().out
    assert len(tree(tmp_path / "out")) == 6
    options = Options(copy=f"[ab]{suffix},1.png")
    copies = refine_folder(refiner, first, tmp_path / "copies", options)
    copied = {name for name, record in copies.records.items() if record["action"] == "copied"}
    assert copied == {"1.png", f"a{suffix}", f"b{suffix}", "labels.csv"}


def test_a_picture_without_a_suffix_is_named_and_other_files_are_copied(refiner, first, tmp_path):
    (first / "LICENSE").write_text("free")
    (first / "0.png").rename(first / "IMG_0")
    with pytest.raises(UserError, match="IMG_0: a PNG without a suffix; give it one"):
        refine_folder(refiner, first, tmp_path / "out", Options())
    manifest = refine_folder(refiner, first, tmp_path / "out", Options(on_error="skip"))
    assert manifest.records.keys() == {"1.png", "2.png", "3.png", "labels.csv", "LICENSE"}


def test_a_name_cannot_command_the_terminal(refiner, first, tmp_path, capsys):
    (first / "a\n\x1b[2J\u202e.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a\\n\\x1b\[2J\\u202e\.png: not readable"):
        refine_folder(refiner, first, tmp_path / "out", Options())
    refine_folder(refiner, first, tmp_path / "out", Options(on_error="skip"))
    assert "\x1b" not in capsys.readouterr().out


def test_a_job_without_a_picture_is_an_error(refiner, first, tmp_path):
    for options in (Options(copy="*"), Options(images="*.tif"), Options(copy="*.png")):
        with pytest.raises(UserError, match="none of 5 files is a picture to refine with these"):
            refine_folder(refiner, first, tmp_path / "out", options)
    for path in first.glob("*.png"):
        path.write_bytes(path.read_bytes()[:70])  # a whole header
    with pytest.raises(UserError, match="not one image was refined, 4 files left out"):
        refine_folder(refiner, first, tmp_path / "out", Options(on_error="skip", images="*.png"))
    for path in first.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="4 cannot be read"):
        refine_folder(refiner, first, tmp_path / "out", Options(on_error="skip"))


def test_links_to_nothing_and_pipes_are_named_and_counted(refiner, first, tmp_path):
    (first / "a.png").symlink_to("nowhere")
    (first / "b.csv").symlink_to("b.csv")
    os.mkfifo(first / "c.png")
    with pytest.raises(UserError, match=r"a\.png: a link to nowhere, which.*\(and 2 more such\)"):
        refine_folder(refiner, first, tmp_path / "out", Options())
    manifest = refine_folder(refiner, first, tmp_path / "out", Options(on_error="skip"))
    assert sorted(manifest.about["failed"]) == ["a.png", "b.csv", "c.png"]


@pytest.mark.parametrize(
    "name, change, said",
    [
        ("3.png", Path.unlink, r"3\.png: no such file"),
        ("3.png", lambda x: Image.new("RGB", (9, 9)).save(x), r"3\.png: has changed meanwhile"),
        ("labels.csv", Path.unlink, r"labels\.csv: cannot be read any more"),
    ],
)
def test_a_file_that_changes_while_a_folder_is_refined_is_told(first, tmp_path, name, change, said):
    with ThreadPoolExecutor(1) as pool:
        strict, lenient = (Folder(first, Options(on_error=x), pool) for x in ("stop", "skip"))
    change(first / name)
    (entry,) = (entry for entry in strict.entries if entry.name == name)

    def use(folder):
        return folder.read(entry) if entry.header else folder.copy(entry, tmp_path / name, tmp_path)

    with pytest.raises(UserError, match=said):
        use(strict)
    assert use(lenient) is None
    assert list(lenient.failed) == [name]


def test_names_that_are_not_utf8_go_through(tmp_path):
    folder = fill(tmp_path / "in", range(1))
    shutil.move(folder / "0.png", os.fsencode(folder) + b"/\xff.png")
    refiner = random_refine(noise_channels=1)
    refine_folder(refiner, folder, tmp_path / "out", Options())
    assert os.path.exists(os.fsencode(tmp_path / "out") + b"/\xff.png")


@pytest.mark.usefixtures("first")
def test_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run = make_run(tmp_path)
    refine(f"~/{run.name}", "~/first", "~/out")
    assert len(tree(tmp_path / "out")) == 6


def test_strength_is_how_far_an_image_goes():
    images = random_images(3, 20, 30, 3)
    whole, half, none = (random_refine(strength=x)(images) for x in (1.0, 0.5, 0.0))
    np.testing.assert_array_equal(none, images)
    change = whole.astype(int) - images
    luma = random_refine()(images).astype(int) - images
    np.testing.assert_array_equal(change, luma)
    middle = (images.astype(int) + whole) / 2
    assert np.abs(half - middle)[(whole > 0) & (whole < 255)].max() <= 1
    for strength in (-0.1, 2.1, float("nan")):
        with pytest.raises(UserError, match="strength is"):
            random_refine(strength=strength)
