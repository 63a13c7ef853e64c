import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from configs import gaze
from simgan_jax import data, make_setup
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.io.background import ahead
from simgan_jax.metrics import label_shift
from simgan_jax.models.refiner import Refiner
from simgan_jax.ranges import from_unit, to_unit
from simgan_jax.refine import parse_shard
from simgan_jax.refinement import weights
from simgan_jax.refinement.batches import refined_batches
from simgan_jax.refinement.folders import refine, refine_arrays, refine_folder
from simgan_jax.refinement.inputs import Options
from simgan_jax.refinement.refiner import Refine, load_refiner
from simgan_jax.refinement.windows import windows
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import Checkpoints


def random_refine(seed=0, max_pixels=None, **settings):
    """A small refiner with random weights, large enough to change an image a lot."""
    refiner = Refiner(**{"features": 4, "blocks": 1} | settings)
    inputs = [jnp.zeros((1, 8, 8, n)) for n in (refiner.channels, refiner.noise_channels) if n]
    shapes = jax.eval_shape(refiner.init, jax.random.key(0), *inputs)["params"]
    random = np.random.default_rng(seed)
    params = jax.tree.map(lambda x: random.normal(0, 0.3, x.shape).astype(np.float32), shapes)
    return Refine(refiner, params, max_pixels)


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


def at_once(refiner, images):
    """The refiner applied to all images together, without batches or windows."""
    apply = jax.jit(lambda x: refiner.refiner.apply({"params": refiner.params}, to_unit(x)))
    return np.asarray(from_unit(apply(images), images.dtype))


def random_images(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@given(size=st.integers(1, 200), window=st.integers(1, 200), margin=st.integers(0, 20))
def test_windows_cover_an_axis_once_and_only_where_they_are_exact(size, window, margin):
    window = min(max(window, 2 * margin + 1), size)
    found = windows(size, window, margin)
    assert [x for w in found for x in range(w.first, w.last)] == list(range(size))
    for w in found:
        assert 0 <= w.start <= size - window
        assert w.start == 0 or w.first - w.start >= margin
        assert w.start + window == size or w.start + window - w.last >= margin


@pytest.mark.parametrize("padding", ["REFLECT", "SAME"])
def test_windows_give_exactly_what_the_whole_image_gives(padding):
    images = random_images(2, 50, 61, 1, dtype=np.uint16)
    whole = random_refine(padding=padding)
    tiled = random_refine(padding=padding, max_pixels=24 * 24)
    assert tiled.window(50, 61) == (24, 24)
    expected = at_once(whole, images)
    assert np.abs(expected.astype(int) - images).mean() > 1000
    # One step of 65,536 is what float sums in another order may do.
    difference = np.abs(tiled(images).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_windows_of_a_refiner_with_noise_fit_each_other():
    images = random_images(1, 40, 40, 1)
    whole, tiled = (random_refine(noise_channels=2, max_pixels=n) for n in (None, 20 * 20))
    np.testing.assert_array_equal(whole(images), tiled(images))


@pytest.mark.parametrize("count", [1, 5, 16, 67])
def test_no_image_is_lost_whatever_the_batch(refiner, count):
    images = random_images(count, 20, 30, 1)
    refined = refiner(images)
    assert refined.dtype == np.uint8
    np.testing.assert_array_equal(refined, at_once(refiner, images))


def test_empty_array_stays_empty(refiner):
    assert refiner(np.zeros((0, 8, 8, 1), np.uint8)).shape == (0, 8, 8, 1)


def test_each_image_keeps_its_noise_in_any_company():
    refiner = random_refine(noise_channels=1)
    images = np.repeat(random_images(1, 16, 16, 1), 6, axis=0)
    together = refiner(images)
    assert (together[0] != together[1]).any()
    np.testing.assert_array_equal(refiner(images[2:4], rows=np.array([2, 3])), together[2:4])
    other = Refine(refiner.refiner, refiner.params, seed=1)
    assert (other(images) != together).any()


def test_a_grey_refiner_moves_colours_along_the_grey_axis(refiner):
    colour = random_images(1, 16, 16, 3, seed=3) // 2 + 64
    refined = refiner(colour).astype(int)
    grey = image_files.luminance(colour)
    change = refiner(grey).astype(int) - grey
    np.testing.assert_array_equal(refined, (colour + change).clip(0, 255))


def test_grey_in_three_channels_stays_grey(refiner):
    grey = random_images(2, 16, 16, 1)
    np.testing.assert_array_equal(refiner(grey.repeat(3, axis=3)), refiner(grey).repeat(3, axis=3))


def test_a_colour_refiner_takes_grey_images():
    refined = random_refine(channels=3)(random_images(2, 16, 16, 1))
    assert refined.shape == (2, 16, 16, 1)


def test_arguments_that_cannot_work_are_one_line(refiner):
    with pytest.raises(UserError, match=r"float64 \(2, 8, 8, 1\), must be uint8 or uint16"):
        refiner(np.zeros((2, 8, 8, 1)))
    with pytest.raises(UserError, match="images have 2 channels, the refiner takes 1"):
        refiner(np.zeros((2, 8, 8, 2), np.uint8))
    with pytest.raises(UserError, match="max_pixels is 48, must be at least 49"):
        random_refine(max_pixels=48)


def test_checksum_names_the_weights(refiner):
    assert refiner.sha256 == random_refine().sha256
    assert refiner.sha256 != random_refine(seed=1).sha256
    assert refiner.sha256 != random_refine(padding="REFLECT").sha256


# A folder of everything


def make_tree(root):
    """A tree with images of several kinds and sizes, labels, and a hidden file."""
    rng = np.random.default_rng(7)
    kinds = {
        "grey.png": np.uint8(rng.integers(0, 255, (20, 30))),
        "a/colour.png": np.uint8(rng.integers(0, 255, (20, 30, 3))),
        "a/opacity.png": np.uint8(rng.integers(0, 255, (18, 22, 4))),
        "a/b/deep.png": np.uint16(rng.integers(0, 65535, (20, 30))),
        "a/b/photo.jpg": np.uint8(np.linspace(0, 255, 24 * 40).reshape(24, 40)),
        "old.bmp": np.uint8(rng.integers(0, 255, (20, 30))),
        "wide.tif": np.uint8(rng.integers(0, 255, (16, 90))),
        "deep.tif": np.uint16(rng.integers(0, 65535, (20, 30))),
        "masks/eye_mask.png": np.uint8(rng.integers(0, 2, (20, 30))) * 255,
    }
    for name, array in kinds.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)
    Image.fromarray(kinds["grey.png"]).convert("P").save(root / "palette.png")
    image_files.write_image(root / "deep_colour.png", random_images(20, 30, 3, dtype=np.uint16))
    np.save(root / "stack.npy", random_images(3, 20, 30, 1))
    (root / "labels.csv").write_text("file,x,y\ngrey.png,1.5,2.5\n")
    (root / "a/1.json").write_text('{"iris": [1, 2]}')
    (root / ".hidden").write_text("not for others")
    return root


def tree(folder):
    """Checksums of all files by relative path."""
    files = [p for p in Path(folder).rglob("*") if p.is_file()]
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


@pytest.fixture
def source(tmp_path):
    return make_tree(tmp_path / "in")


MASKS = Options(copy="masks/*")


def test_a_tree_comes_out_with_the_same_names_sizes_modes_and_depths(refiner, source, tmp_path):
    refine_folder(refiner, source, tmp_path / "out", MASKS)
    before, after = tree(source), tree(tmp_path / "out")
    assert after.keys() == before.keys() - {".hidden"} | {"refine_manifest.json"}
    for name in after.keys() - {"refine_manifest.json"}:
        if name.endswith((".csv", ".json")) or name.startswith("masks/"):
            assert after[name] == before[name]
            continue
        old, new = (image_files.read(folder / name) for folder in (source, tmp_path / "out"))
        assert new.header == old.header
        expected = refiner(old.pixels)
        if name.endswith("jpg"):
            assert np.abs(new.pixels.astype(int) - expected).mean() < 3
        else:
            np.testing.assert_array_equal(new.pixels, expected, err_msg=name)
        if old.alpha is not None:
            np.testing.assert_array_equal(new.alpha, old.alpha)
        if not name.endswith("npy"):
            with Image.open(source / name) as a, Image.open(tmp_path / "out" / name) as b:
                assert (a.mode, a.size, a.format) == (b.mode, b.size, b.format)


def test_manifest_has_checksums_model_and_settings(refiner, source, tmp_path):
    refine_folder(refiner, source, tmp_path / "out", MASKS)
    text = (tmp_path / "out/refine_manifest.json").read_text()
    assert sum(line.startswith('"grey.png": {"sha256": ') for line in text.splitlines()) == 1
    manifest = json.loads(text)
    files = tree(tmp_path / "out")
    del files["refine_manifest.json"]
    assert {name: record["sha256"] for name, record in manifest["files"].items()} == files
    assert manifest["files"]["grey.png"]["action"] == "refined"
    assert manifest["files"]["labels.csv"]["action"] == "copied"
    assert manifest["model"]["sha256"] == refiner.sha256
    assert manifest["settings"]["jpeg_quality"] == 95


def test_finished_files_are_not_redone_but_changed_ones_are(refiner, source, tmp_path):
    out = tmp_path / "out"
    refine_folder(refiner, source, out, MASKS)
    first = {name: (out / name).stat().st_mtime_ns for name in tree(out)}
    Image.fromarray(np.full((20, 30), 9, np.uint8)).save(source / "grey.png")
    os.utime(source / "grey.png", ns=(1, 1))
    (out / "old.bmp").unlink()
    refine_folder(refiner, source, out, MASKS)
    changed = {name for name in tree(out) if (out / name).stat().st_mtime_ns != first[name]}
    assert changed == {"grey.png", "old.bmp", "refine_manifest.json"}


def test_shards_together_make_what_one_process_makes(refiner, source, tmp_path):
    refine_folder(refiner, source, tmp_path / "whole", MASKS)
    for i in range(3):
        options = Options(copy="masks/*", shard=(i, 3))
        refine_folder(refiner, source, tmp_path / "parts", options)
    whole, parts = tree(tmp_path / "whole"), tree(tmp_path / "parts")
    assert {f"refine_manifest.{i}-of-3.json" for i in range(3)} <= parts.keys()
    of_files = lambda files: {k: v for k, v in files.items() if "manifest" not in k}  # noqa: E731
    assert of_files(whole) == of_files(parts)
    assert not (tmp_path / "parts/.refine").exists()


def test_journal_with_a_line_cut_short_is_gone_on_from(refiner, source, tmp_path):
    refine_folder(refiner, source, tmp_path / "whole", MASKS)
    out = tmp_path / "out"
    shutil.copytree(tmp_path / "whole", out)
    manifest = json.loads((out / "refine_manifest.json").read_text())
    files = manifest.pop("files")
    (out / "refine_manifest.json").unlink()
    (out / "wide.tif").unlink()
    (out / ".refine").mkdir()
    lines = [{"about": manifest}, {"grey.png": files["grey.png"]}, {"old.bmp": files["old.bmp"]}]
    text = "\n".join(json.dumps(line) for line in lines)
    (out / ".refine/0-of-1.jsonl").write_text(text[:-30])
    time_of_grey = (out / "grey.png").stat().st_mtime_ns
    refine_folder(refiner, source, out, MASKS)
    assert (out / "grey.png").stat().st_mtime_ns == time_of_grey
    assert tree(out) == tree(tmp_path / "whole")


def test_another_model_needs_another_folder_or_overwrite(refiner, source, tmp_path):
    out = tmp_path / "out"
    refine_folder(refiner, source, out, MASKS)
    first = tree(out)
    other = random_refine(seed=5)
    with pytest.raises(UserError, match="another model or other settings"):
        refine_folder(other, source, out, MASKS)
    assert tree(out) == first
    refine_folder(other, source, out, Options(copy="masks/*", overwrite=True))
    assert tree(out)["grey.png"] != first["grey.png"]
    refine_folder(other, source, out, MASKS)


def test_a_folder_of_other_things_is_never_written_into(refiner, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="is not empty and was not made by refine"):
        refine_folder(refiner, source, tmp_path / "out", MASKS)
    with pytest.raises(UserError, match="lies in the input folder"):
        refine_folder(refiner, source, source / "out", MASKS)


def test_damaged_image_stops_or_is_skipped_and_listed(refiner, source, tmp_path):
    whole = (source / "old.bmp").read_bytes()
    (source / "old.bmp").write_bytes(whole[:500])  # a whole header, half the pixels
    (source / "grey.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"grey\.png: not readable"):
        refine_folder(refiner, source, tmp_path / "out", MASKS)
    options = Options(copy="masks/*", on_error="skip")
    manifest = refine_folder(refiner, source, tmp_path / "out", options)
    assert sorted(manifest.about["failed"]) == ["grey.png", "old.bmp"]
    assert not (tmp_path / "out/old.bmp").exists()
    assert (tmp_path / "out/wide.tif").exists()


def test_float_arrays_are_not_taken_for_images_unasked(refiner, source, tmp_path):
    np.save(source / "gaze.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(UserError, match=r"gaze\.npy: floats, which may be images or labels"):
        refine_folder(refiner, source, tmp_path / "out", MASKS)
    refine_folder(refiner, source, tmp_path / "out", Options(copy="*gaze.npy"))
    assert tree(source)["gaze.npy"] == tree(tmp_path / "out")["gaze.npy"]


def test_many_sizes_share_few_compilations(tmp_path, monkeypatch):
    monkeypatch.setattr("simgan_jax.refinement.folders.WHOLE_SIZES", 1)
    traced, forward = [], Refine._forward

    def noted(self, params, images, noise):
        traced.append(images.shape)
        return forward(self, params, images, noise)

    monkeypatch.setattr(Refine, "_forward", noted)
    refiner = random_refine()
    (tmp_path / "in").mkdir()
    images = [random_images(50 + i, 66 + i, seed=i) for i in range(12)]
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"in/{i:02}.png")
    refine_folder(refiner, tmp_path / "in", tmp_path / "out", Options())
    assert {shape[1:3] for shape in traced} == {(50, 66), (48, 64)}  # the latter for all others
    assert len(traced) == 2
    for i in (0, 11):
        refined = image_files.read(tmp_path / f"out/{i:02}.png").pixels
        expected = at_once(refiner, images[i][None, ..., None])
        assert np.abs(refined.astype(int) - expected).max() <= 1


# Data sets


def test_a_data_set_comes_out_as_png_and_labels(refiner, tmp_path):
    arrays = Arrays(random_images(9, 16, 20, 1), {"gaze": np.arange(27.0).reshape(9, 3)})
    refine_arrays(refiner, arrays, tmp_path / "out", Options())
    names = [f"{i:07}.png" for i in range(9)]
    assert sorted(tree(tmp_path / "out")) == [*names, "labels.npz", "refine_manifest.json"]
    pictures = [image_files.read(tmp_path / "out" / name).pixels[0] for name in names]
    np.testing.assert_array_equal(np.stack(pictures), refiner(arrays.images))
    with np.load(tmp_path / "out/labels.npz") as labels:
        np.testing.assert_array_equal(labels["gaze"], arrays.labels["gaze"])


def test_only_changed_rows_of_a_data_set_are_redone(refiner, tmp_path):
    images, out = random_images(4, 16, 16, 1), tmp_path / "out"
    refine_arrays(refiner, Arrays(images), out, Options())
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    changed = images.copy()
    changed[2] = 0
    refine_arrays(refiner, Arrays(changed), out, Options())
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert [name for name in sorted(after) if after[name] != before[name]] == ["0000002.png"]


def test_files_of_a_set_get_the_noise_of_the_whole_set(tmp_path):
    refiner = random_refine(noise_channels=1)
    arrays = Arrays(random_images(5, 16, 16, 1))
    refine_arrays(refiner, arrays, tmp_path / "out", Options())
    third = image_files.read(tmp_path / "out/0000003.png").pixels[0]
    np.testing.assert_array_equal(third, refiner(arrays.images)[3])


def test_refined_batches_keep_images_and_labels_together(refiner):
    images = random_images(10, 16, 16, 1)
    arrays = Arrays(images, {"number": np.arange(10)})
    expected = refiner(images)
    seen = []
    for batch in refined_batches(refiner, arrays, 4, epochs=2, seed=3):
        np.testing.assert_array_equal(batch["image"], expected[batch["number"]])
        seen += [batch["number"]]
    assert [len(x) for x in seen] == [4, 4, 2, 4, 4, 2]
    assert sorted(np.concatenate(seen[:3])) == list(range(10))
    assert np.concatenate(seen[:3]).tolist() != np.concatenate(seen[3:]).tolist()


def test_refined_batches_keep_the_noise_of_an_image_in_any_order():
    refiner = random_refine(noise_channels=1)
    arrays = Arrays(random_images(6, 16, 16, 1), {"number": np.arange(6)})
    expected = refiner(arrays.images)
    for batch in refined_batches(refiner, arrays, 4, seed=1):
        np.testing.assert_array_equal(batch["image"], expected[batch["number"]])


def test_refined_batches_go_on_for_ever_and_stop_when_left(refiner):
    before = threading.active_count()
    batches = refined_batches(refiner, Arrays(random_images(5, 16, 16, 1)), 4, epochs=None)
    assert [len(next(batches)["image"]) for _ in range(4)] == [4, 1, 4, 1]
    batches.close()
    assert threading.active_count() == before


def test_refined_batches_pass_errors_on(refiner):
    with pytest.raises(UserError, match="3 images make no batch of 4"):
        next(refined_batches(refiner, Arrays(random_images(3, 8, 8, 1)), 4, drop_last=True))
    with pytest.raises(UserError, match="2 channels"):
        next(refined_batches(refiner, Arrays(np.zeros((4, 8, 8, 2), np.uint8)), 4))


# The rest


@pytest.mark.parametrize("text, shard", [("0/1", (0, 1)), ("1/4", (1, 4)), ("4/4", (0, 4))])
def test_shards_count_from_zero_or_from_one(text, shard):
    assert parse_shard(text) == shard


@pytest.mark.parametrize("text", ["", "1", "5/4", "-1/4", "0/0", "a/b"])
def test_impossible_shards_are_one_line(text):
    with pytest.raises(UserError, match="must be i/n"):
        parse_shard(text)


def test_ahead_keeps_order_and_bounds_what_is_under_way():
    started = []
    with ThreadPoolExecutor(2) as pool:
        results = ahead(pool, lambda x: started.append(x) or x, range(2000), lambda x: 1)
        assert next(results) == 0
        time.sleep(0.05)
        assert max(started) < 300
        assert list(results) == list(range(1, 2000))


# The command


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of configs/gaze.py:tiny with one checkpoint of random numbers."""
    folder = tmp_path_factory.mktemp("run")
    config = gaze.get_config("tiny")
    setup = devices.distribute(make_setup(config), devices=1)
    key = jax.random.key(0)
    shapes = jax.eval_shape(lambda: create_train_state(key, setup))
    random = np.random.default_rng(0)
    state = jax.tree.map(
        lambda x: jnp.asarray(random.normal(0, 0.3, x.shape), x.dtype), shapes.replace(key=None)
    ).replace(key=key, step=jnp.int32(7))
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    Checkpoints(folder).save(devices.place(state, setup), setup)
    return folder


def command(*arguments):
    return [sys.executable, "-m", "simgan_jax.refine", *map(str, arguments)]


def test_refine_uses_the_refiner_and_the_image_size_of_the_run(workdir, tmp_path):
    manifest = refine(workdir, "procedural_eyes:domain=simulator,count=3", tmp_path / "out")
    eyes = data.load({"source": "procedural_eyes", "domain": "simulator", "count": 3})
    expected = load_refiner(workdir)(eyes.images)
    picture = image_files.read(tmp_path / "out/0000002.png")
    np.testing.assert_array_equal(picture.pixels[0], expected[2])
    with np.load(tmp_path / "out/labels.npz") as labels:
        np.testing.assert_array_equal(labels["gaze"], eyes.labels["gaze"])
    assert manifest.about["model"]["step"] == 7


@pytest.mark.parametrize(
    "source, reason",
    [
        ("nowhere", "nowhere: no such folder, and no data source: "),
        ("procedural_eyes:count", "'count' is not of the form key=value"),
        ("procedural_eyes:size=3", "unexpected keyword argument 'size'"),
    ],
)
def test_inputs_that_do_not_exist_are_one_line(workdir, tmp_path, source, reason):
    with pytest.raises(UserError, match=reason):
        refine(workdir, source, tmp_path / "out")


def test_a_folder_without_a_run_is_one_line_and_exit_2(source, tmp_path):
    done = subprocess.run(
        command(f"--workdir={tmp_path}", f"--input={source}", f"--output={tmp_path / 'out'}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"simgan: {tmp_path}/config.json: no such file")
    assert done.stderr.count("\n") == 1


def test_killed_and_started_again_it_makes_the_files_of_an_unbroken_run(workdir, tmp_path):
    (tmp_path / "in").mkdir()
    for i, image in enumerate(random_images(600, 35, 55)):
        Image.fromarray(image).save(tmp_path / f"in/{i:03}.png")
    (tmp_path / "in/labels.csv").write_text("file,x\n")
    out = tmp_path / "out"
    killed = subprocess.Popen(
        command(f"--workdir={workdir}", f"--input={tmp_path / 'in'}", f"--output={out}")
    )
    while killed.poll() is None and len(list(out.glob("*.png"))) < 40:
        time.sleep(0.005)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL, "it was over before it could be killed"
    for path in out.glob("*.png"):
        assert image_files.read(path).pixels.shape == (1, 35, 55, 1)
    refine(workdir, str(tmp_path / "in"), out)
    refine(workdir, str(tmp_path / "in"), tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")
    assert len(tree(out)) == 602


# The refiner that comes with the package


def test_the_pretrained_refiner_changes_eyes_and_keeps_their_irises():
    refine = load_refiner(pretrained="eyes")
    eyes = data.load({"source": "procedural_eyes", "count": 32, "height": 35, "width": 55})
    refined = refine(eyes.images)
    before, after = to_unit(eyes.images), to_unit(refined)
    assert np.abs(after - before).mean() > 0.1
    window = label_shift.window(eyes.labels, before.shape[:3])
    shift = label_shift.summarize(label_shift.measure(before, after, window), before.shape[2])
    assert shift["mean"] < 0.5
    assert weights.pretrained("eyes").stat().st_size < 1.5e6


def test_a_refiner_is_of_a_run_or_of_the_package(tmp_path):
    with pytest.raises(UserError, match="name either"):
        load_refiner()
    with pytest.raises(UserError, match="name either"):
        load_refiner(tmp_path, pretrained="eyes")
