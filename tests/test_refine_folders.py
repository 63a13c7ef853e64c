import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from refiners import at_once, random_images, random_refine, tree

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.refinement import refiner as refiner_module
from simgan_jax.refinement.folders import refine_arrays, refine_folder
from simgan_jax.refinement.inputs import Options


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


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


def test_a_job_that_was_killed_before_its_first_line_begins_again(refiner, source, tmp_path):
    (tmp_path / "out" / ".refine").mkdir(parents=True)
    manifest = refine_folder(refiner, source, tmp_path / "out", MASKS)
    assert manifest.path.exists()
    assert not (tmp_path / "out" / ".refine").exists()


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
    with pytest.raises(UserError, match=r"gaze\.npy: floats, which may be labels"):
        refine_folder(refiner, source, tmp_path / "out", MASKS)
    refine_folder(refiner, source, tmp_path / "out", Options(copy="*gaze.npy,masks/*"))
    assert tree(source)["gaze.npy"] == tree(tmp_path / "out")["gaze.npy"]


def test_many_sizes_share_few_compilations(tmp_path, monkeypatch):
    monkeypatch.setattr("simgan_jax.refinement.folders.WHOLE_SIZES", 1)
    traced, forward_of = [], refiner_module._forward

    def noted(network):
        def forward(params, images, noise):
            traced.append(images.shape)
            return forward_of(network)(params, images, noise)

        return forward

    monkeypatch.setattr(refiner_module, "_forward", noted)
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
