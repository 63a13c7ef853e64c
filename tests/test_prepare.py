import importlib
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from unity_export import export_unity_eyes

from simgan_jax.data import load
from simgan_jax.data.jobs import Chunk, Job, Pool, collect, run
from simgan_jax.data.prepare import builders, prepare
from simgan_jax.errors import UserError


def slow_square(number, log):
    """A job that notes each time it is done."""
    with Path(log).open("a") as file:
        file.write(f"{number}\n")
    return Chunk({"name": np.array([str(number)]), "square": np.array([number**2])}, [])


def fail_at_two(number, log):
    if number == 2:
        raise UserError("two is damaged")
    return slow_square(number, log)


def squares(chunks):
    return [int(chunk.examples["square"][0]) for chunk in chunks]


def test_work_goes_on_after_a_stop_and_nothing_is_done_twice(tmp_path):
    log = tmp_path / "log"
    jobs = [Job(fail_at_two, (i, str(log)), 1) for i in range(4)]
    with pytest.raises(UserError, match="two is damaged"):
        list(run(jobs, tmp_path, Pool(1), "squares"))
    mended = [Job(slow_square, job.arguments, 1) if i == 2 else job for i, job in enumerate(jobs)]
    assert squares(run(mended, tmp_path, Pool(1), "squares")) == [0, 1, 4, 9]
    assert log.read_text().split() == ["0", "1", "2", "3"]


def test_several_processes_give_the_same_in_the_same_order(tmp_path):
    jobs = [Job(fail_at_two, (i, str(tmp_path / "log")), 1) for i in (*range(3, 20), 2, 0)]
    with Pool(2) as pool:
        chunks = run(jobs, tmp_path, pool, "squares")
        assert [squares([next(chunks)])[0] for _ in range(17)] == [i**2 for i in range(3, 20)]
        with pytest.raises(UserError, match="two is damaged"):
            next(chunks)


def test_a_chunk_cut_short_is_made_again(tmp_path):
    job = Job(slow_square, (3, str(tmp_path / "log")), 1)
    list(run([job], tmp_path, Pool(1), "squares"))
    (chunk,) = tmp_path.glob("*.npz")
    chunk.write_bytes(chunk.read_bytes()[:50])
    assert squares(run([job], tmp_path, Pool(1), "squares")) == [9]


def test_a_changed_file_has_another_fingerprint():
    jobs = [Job(slow_square, ("1.jpg", size), 1) for size in (10, 10, 11)]
    prints = [job.fingerprint() for job in jobs]
    assert prints[0] == prints[1] != prints[2]


def test_collect_stops_or_counts():
    def one(item):
        if item < 0:
            raise UserError(f"{item} is damaged")
        return {"name": str(item), "value": np.float32(item)}

    chunk = collect([1, -2, 3, -4], one, "skip")
    assert chunk.examples["value"].tolist() == [1, 3]
    assert chunk.faults == ["-2 is damaged", "-4 is damaged"]
    with pytest.raises(UserError, match="-2 is damaged"):
        collect([1, -2, 3, -4], one, "stop")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    export_unity_eyes(folder, 4)
    return folder


def linked(pictures, folder):
    """The same files in another folder, to be damaged there."""
    folder.mkdir()
    for path in pictures.glob("*.*"):
        os.link(path, folder / path.name)
    return folder


def test_mended_input_goes_on_and_skipped_input_is_listed(pictures, tmp_path, capsys):
    folder = linked(pictures, tmp_path / "in")
    (folder / "2.json").unlink()
    (folder / "3.json").unlink()
    (folder / "3.json").write_text("{}")
    with pytest.raises(UserError, match=r"in/2\.json: no such file"):
        prepare("unity_eyes", folder, tmp_path / "a", workers=1)
    with pytest.raises(UserError, match=r"unity_eyes/grey is not prepared"):
        load({"source": "unity_eyes", "data_dir": str(tmp_path / "a")})

    prepare("unity_eyes", folder, tmp_path / "a", on_error="skip", workers=1)
    said = capsys.readouterr().out
    assert "train 2;" in said
    assert "left out 2, damaged or without labels" in said
    listed = (tmp_path / "a/unity_eyes/grey/1.0.0/skipped.txt").read_text().splitlines()
    assert [line.split(":")[0][-6:] for line in listed] == ["2.json", "3.json"]
    assert len(load({"source": "unity_eyes", "data_dir": str(tmp_path / "a")})) == 2

    for name in ("2.json", "3.json"):
        (folder / name).unlink(missing_ok=True)
        os.link(pictures / name, folder / name)
    prepare("unity_eyes", folder, tmp_path / "b", workers=1)
    assert len(load({"source": "unity_eyes", "data_dir": str(tmp_path / "b")})) == 4
    assert not list((tmp_path / "b").rglob("*chunks*"))


def test_names_that_are_no_utf8_are_prepared_and_listed(pictures, tmp_path, capsys):
    folder = linked(pictures, tmp_path / "in")
    for suffix in (b".jpg", b".json"):
        os.rename(os.fsencode(folder) + b"/1" + suffix, os.fsencode(folder) + b"/\xe9" + suffix)
    Image.new("L", (640, 480)).save(os.fsencode(folder) + b"/\xe8.jpg")
    prepare("unity_eyes", folder, tmp_path / "out", workers=1)
    assert "train 4;" in capsys.readouterr().out
    listed = (tmp_path / "out/unity_eyes/grey/1.0.0/skipped.txt").read_text()
    assert listed == f"{folder}/\\udce8.jpg: no JSON file of its name; left out\n"
    with pytest.raises(UserError, match=r"out.udce9: its name is no UTF-8; name another place"):
        prepare("unity_eyes", folder, os.fsdecode(os.fsencode(tmp_path) + b"/out\xe9"), workers=1)


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(
        "from pathlib import Path\n"
        "from simgan_jax.data import jobs\n"
        "jobs.end_if_unguarded()\n"
        "work = [jobs.Job(jobs.collect, ([], str, 'stop'), 1)] * 3\n"
        "with jobs.Pool(2) as pool:\n"
        f"    list(jobs.run(work, Path({str(tmp_path)!r}), pool, 'test'))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "test: worker processes ended as they began." in done.stderr
    assert 'put the call below if __name__ == "__main__":' in done.stderr
    assert done.stderr.count("Traceback") == 2, (
        "of the parent alone: the cause, and what it is told as"
    )


def test_workers_end_with_a_killed_parent(tmp_path):
    (tmp_path / "work.py").write_text(
        "import os, time\n"
        "from pathlib import Path\n"
        "from simgan_jax.data.jobs import Job, Pool\n"
        "if __name__ == '__main__':\n"
        "    Pool(2).submit(Job(os.write, (1, b'at work'), 1), Path('x'))\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "work.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert os.read(process.stdout.fileno(), 99) == b"at work"
        process.kill()
        process.communicate(timeout=30)  # to the end of what the workers could still say
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("name", ["gaze", "hand"])
def test_paper_configurations_name_these_sets(name, tmp_path):
    config = importlib.import_module(f"configs.{name}").get_config("paper")
    for part in ("synthetic", "real", "test"):
        spec = {**config.data[part], "data_dir": str(tmp_path)}
        with pytest.raises(UserError, match=rf"is not prepared in {tmp_path}\. .*Then run: python"):
            load(spec)


def test_preparing_again_changes_nothing(pictures, tmp_path, capsys):
    prepare("unity_eyes", pictures, tmp_path, workers=1)
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    prepare("unity_eyes", "/nowhere", tmp_path, workers=1)
    assert "was prepared before" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == files


def test_arrays_are_memory_mapped_and_made_again_if_they_are_damaged(pictures, tmp_path):
    spec = {"source": "unity_eyes", "data_dir": str(tmp_path)}
    prepare("unity_eyes", pictures, tmp_path, workers=1)
    arrays = load(spec)
    assert isinstance(arrays.images, np.memmap)
    before = np.array(arrays.images), arrays.labels["gaze"].copy()
    stored = tmp_path / "unity_eyes/grey/1.0.0/arrays/image.npy"
    stored.write_bytes(stored.read_bytes()[:1000])
    again = load(spec)
    np.testing.assert_array_equal(again.images, before[0])
    np.testing.assert_array_equal(again.labels["gaze"], before[1])
    flipped = bytearray(stored.read_bytes())
    flipped[-1] ^= 1
    stored.write_bytes(flipped)
    np.testing.assert_array_equal(load(spec).images, before[0])
    (record,) = stored.parents[1].glob("*.array_record*")
    stored.unlink()
    record.write_bytes(record.read_bytes()[:100])
    with pytest.raises(UserError, match=r"damaged .* delete it and prepare it again"):
        load(spec)
    (stored.parents[1] / "features.json").write_text("{")
    with pytest.raises(UserError, match=r"damaged .* delete it and prepare it again"):
        load(spec)
    (stored.parents[1] / "dataset_info.json").write_text('{"splits": 3')
    with pytest.raises(UserError, match=r"damaged .* delete it and prepare it again"):
        load(spec)


def test_plain_tfds_prepares_too(pictures, tmp_path):
    builder = tfds.builder("unity_eyes", data_dir=tmp_path)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=pictures))
    assert len(builder.as_data_source("train")) == 4
    assert not list(tmp_path.rglob("*chunks*"))


@pytest.mark.parametrize(
    "name,message",
    [
        ("unity", "no set is called 'unity'; one of mpii_gaze, nyu_hand, unity_eyes"),
        ("unity_eyes/red", "no configuration 'red'; one of grey, grey_plain, colour"),
        ("mpii_gaze/red", "no configuration 'red'; it has none"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UserError, match=message):
        builders(name, None)


@pytest.mark.parametrize(
    "name,wanted",
    [
        ("unity_eyes", "N.json"),
        ("mpii_gaze", "Data/Normalized/p00/day01.mat"),
        ("nyu_hand", "train/joint_data.mat"),
    ],
)
def test_an_empty_folder_is_told_what_belongs_there(name, wanted, tmp_path):
    with pytest.raises(UserError, match=wanted):
        prepare(name, tmp_path, tmp_path / "out", workers=1)
    with pytest.raises(UserError, match=rf"nowhere: no such folder.*{wanted}"):
        prepare(name, "/nowhere", tmp_path / "out", workers=1)


def test_command_line_killed_and_run_again(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.new("L", (640, 480), 128).save(folder / "without label.jpg")
    export_unity_eyes(folder, 1)
    for i in range(2, 601):
        os.link(folder / "1.jpg", folder / f"{i}.jpg")
        os.link(folder / "1.json", folder / f"{i}.json")
    command = [sys.executable, "-m", "simgan_jax.data.prepare", "unity_eyes", "--workers=1"]
    command += [f"--manual_dir={folder}", f"--data_dir={tmp_path / 'out'}"]
    chunks = tmp_path / "out/unity_eyes/grey/1.0.0.chunks"
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None and not list(chunks.glob("*.npz")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in chunks.glob("*.npz")}
    assert done
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    assert "train 600;" in second.stdout
    arrays = load({"source": "unity_eyes", "data_dir": str(tmp_path / "out")})
    assert len(arrays) == 600
    assert (arrays.images == arrays.images[:1]).all()
    wrong = subprocess.run([*command[:4], "--manual_dir=x"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("simgan: x: no such folder. Make images with UnityEyes")
    assert wrong.stderr.count("\n") == 1
