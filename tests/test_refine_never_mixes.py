"""One output folder holds one input, refined in one way; labels are not refined unasked."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refiners import make_run, random_images, random_refine, tree

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.refinement.folders import refine, refine_arrays, refine_folder
from simgan_jax.refinement.inputs import Options
from simgan_jax.refinement.manifest import Manifest

REPLACE = Options(overwrite=True)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


def fill(folder, numbers, seed=0):
    """Pictures by number, and a label file that names them."""
    folder.mkdir()
    for number in numbers:
        pixels = random_images(20, 30, seed=(seed, number))
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "labels.csv").write_text("".join(f"{n}.png,{seed}\n" for n in numbers))
    return folder


@pytest.fixture
def first(tmp_path):
    return fill(tmp_path / "first", range(4))


@pytest.fixture
def out(tmp_path, refiner, first):
    """An output folder made of `first`."""
    refine_folder(refiner, first, tmp_path / "out", Options())
    return tmp_path / "out"


def refused(reason, *arguments):
    before = tree(arguments[2])
    with pytest.raises(UserError, match=reason) as caught:
        refine_folder(*arguments)
    assert "\n" not in str(caught.value)
    assert tree(arguments[2]) == before
    assert not (arguments[2] / ".refine").exists()


@pytest.mark.parametrize("numbers", [range(2), range(4), range(4, 8)])
def test_another_input_is_refused_or_replaces_the_whole(refiner, out, tmp_path, numbers):
    second = fill(tmp_path / "second", numbers, seed=1)
    refused("was made of another input, .*first", refiner, second, out, Options())
    refine_folder(refiner, second, out, REPLACE)
    refine_folder(refiner, second, tmp_path / "alone", Options())
    old, new = tree(out), tree(tmp_path / "alone")
    assert old.pop("refine_manifest.json") == new.pop("refine_manifest.json")
    assert old == new


def test_another_strength_is_refused(out, first):
    refused("another model or other settings", random_refine(strength=0.5), first, out, Options())


def test_an_input_that_was_moved_is_the_same(refiner, out, first, tmp_path):
    times = {name: (out / name).stat().st_mtime_ns for name in tree(out)}
    first.rename(tmp_path / "elsewhere")
    refine_folder(refiner, tmp_path / "elsewhere", out, Options())
    changed = {name for name in tree(out) if (out / name).stat().st_mtime_ns != times[name]}
    assert changed == {"refine_manifest.json"}


def test_an_input_that_lost_files_is_refused_or_they_are_removed(refiner, out, first):
    (first / "2.png").unlink()
    refused(r"2\.png: was made of a file that .*first has no more", refiner, first, out, Options())
    refine_folder(refiner, first, out, REPLACE)
    assert not (out / "2.png").exists()
    assert (out / "1.png").exists()
    refine_folder(refiner, first, out, Options())


def test_a_manifest_never_has_files_removed_that_lie_elsewhere(refiner, out, first, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    (out / "link").symlink_to(tmp_path)
    path = out / "refine_manifest.json"
    manifest = json.loads(path.read_text())
    record = manifest["files"]["0.png"]
    names = ["../thesis.txt", str(tmp_path / "thesis.txt"), "link/thesis.txt"]
    manifest["files"] |= dict.fromkeys(names, record)
    path.write_text(json.dumps(manifest))
    refine_folder(refiner, first, out, REPLACE)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}', '{"files": 3, "model": 4}', "\0"])
def test_a_damaged_manifest_is_named(refiner, out, first, text):
    (out / "refine_manifest.json").write_text(text)
    refused(r"refine_manifest\.json: damaged; remove it", refiner, first, out, Options())


def test_a_manifest_of_an_older_version_is_gone_on_from(refiner, out, first, monkeypatch):
    path = out / "refine_manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["settings"]["strength"]
    monkeypatch.chdir(first.parent)
    path.write_text(json.dumps(manifest | {"input": "first"}))
    time = (out / "1.png").stat().st_mtime_ns
    refine_folder(refiner, first, out, Options())
    assert (out / "1.png").stat().st_mtime_ns == time


def test_what_was_refined_is_copied_when_it_is_asked_for(refiner, out, first):
    refine_folder(refiner, first, out, Options(copy="0.png,3.png"))
    before, after = tree(first), tree(out)
    same = {name for name in before if before[name] == after[name]}
    assert same == {"0.png", "3.png", "labels.csv"}


def test_labels_of_a_set_are_those_of_its_images(refiner, tmp_path):
    images, out = random_images(4, 20, 30, 1), tmp_path / "out"
    refine_arrays(refiner, Arrays(images, {"x": np.arange(4)}), out, Options(), "a")
    few = Arrays(images[:2], {"x": np.arange(2) + 7})
    with pytest.raises(UserError, match="was made of another input, a;"):
        refine_arrays(refiner, few, out, Options(), "b")
    refine_arrays(refiner, few, out, REPLACE, "b")
    names = ["0000000.png", "0000001.png", "labels.npz", "refine_manifest.json"]
    assert sorted(tree(out)) == names
    with np.load(out / "labels.npz") as labels:
        np.testing.assert_array_equal(labels["x"], [7, 8])


def test_neither_folder_may_lie_in_the_other(refiner, first, tmp_path):
    (tmp_path / "link").symlink_to(first)
    for output in (first, first / "out", tmp_path / "link/out"):
        with pytest.raises(UserError, match="lies in the input folder"):
            refine_folder(refiner, first, output, REPLACE)
    with pytest.raises(UserError, match=r"the input folder .*first lies in it"):
        refine_folder(refiner, first, tmp_path, REPLACE)
    (first / "inside").symlink_to(fill(tmp_path / "second", range(2)))
    with pytest.raises(UserError, match=r"lies in the input folder .*inside"):
        refine_folder(refiner, first, tmp_path / "second", REPLACE)
    assert len(tree(first)) == 5
    assert len(tree(tmp_path / "second")) == 3


def test_a_set_read_from_a_folder_is_not_written_into_it(first, weights_file):
    source = f"folder:path={first},fit=cover"
    with pytest.raises(UserError, match="lies in the input folder"):
        refine(weights_file, source, first / "out")
    assert len(tree(first)) == 5


REFINE = """
import sys
from pathlib import Path
from simgan_jax.refinement.manifest import Manifest

about = {"input": sys.argv[2], "model": {"sha256": "0"}, "settings": {}}
shard = tuple(map(int, sys.argv[3].split("/")))
with Manifest(Path(sys.argv[1]), shard, about, {}, False):
    print("at work", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def at_work(tmp_path):
    """Another process that does part 0 of 2 of the folder "in"."""
    process = subprocess.Popen(
        [sys.executable, "-c", REFINE, str(tmp_path / "out"), str(tmp_path / "in"), "0/2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "at work\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_two_processes_share_a_folder_by_parts_of_one_job_alone(at_work, tmp_path):
    about = {"input": str(tmp_path / "in"), "model": {"sha256": "0"}, "settings": {}}
    other_input, other_model = about | {"input": "b"}, about | {"model": {"sha256": "1"}}
    busy = rf"process {at_work.pid} on .* is refining into it"

    def begin(about, shard, overwrite=False):
        with Manifest(tmp_path / "out", shard, about, {}, overwrite) as manifest:
            assert list((tmp_path / "out/.refine").glob("*.jsonl"))
        return manifest

    for about_, shard, overwrite in (
        (about, (0, 2), False),
        (about, (0, 2), True),
        (other_input, (1, 2), False),
        (other_input, (0, 1), True),
        (other_model, (1, 2), True),
    ):
        with pytest.raises(UserError, match=busy):
            begin(about_, shard, overwrite)
    assert sorted(x.name for x in (tmp_path / "out/.refine").iterdir()) == [
        *("0-of-2", "0-of-2.jsonl", "0-of-2.lock")
    ]
    begin(about, (1, 2))
    at_work.kill()
    at_work.wait()
    begin(about, (0, 2))
    assert not (tmp_path / "out/.refine").exists()


def test_a_part_that_begins_while_another_makes_the_folder_is_not_refused(refiner, first, tmp_path):
    (tmp_path / "out/.refine").mkdir(parents=True)
    refine_folder(refiner, first, tmp_path / "out", Options(shard=(1, 2)))
    assert (tmp_path / "out/refine_manifest.1-of-2.json").exists()


def test_the_journal_of_a_killed_job_keeps_another_input_out(refiner, out, first, tmp_path):
    manifest = json.loads((out / "refine_manifest.json").read_text())
    files = manifest.pop("files")
    (out / "refine_manifest.json").unlink()
    (out / ".refine").mkdir()
    lines = [json.dumps(x) for x in ({"about": manifest}, files)]
    (out / ".refine/0-of-1.jsonl").write_text("\n".join(lines)[:-30])
    second = fill(tmp_path / "second", range(2), seed=1)
    with pytest.raises(UserError, match="was made of another input"):
        refine_folder(refiner, second, out, Options())
    refine_folder(refiner, first, out, Options())
    refine_folder(refiner, second, out, REPLACE)
    assert tree(out).keys() == {"0.png", "1.png", "labels.csv", "refine_manifest.json"}


def test_what_a_kill_leaves_half_written_lies_where_the_next_refine_removes_it(
    refiner, first, tmp_path, monkeypatch
):
    folders = set()
    replace = Path.replace

    def noted(path, target):
        folders.add(path.parent)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    refine_folder(refiner, first, tmp_path / "out", Options())
    assert folders == {tmp_path / "out" / ".refine" / "0-of-1"}
    assert not (tmp_path / "out" / ".refine").exists()
