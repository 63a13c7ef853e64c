import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
import unity_export
from PIL import Image
from scipy.ndimage import shift

from simgan_jax.data import load, unity_eyes
from simgan_jax.data.histogram_matching import equalized
from simgan_jax.data.prepare import prepare
from simgan_jax.data.procedural import eyes
from simgan_jax.data.procedural.eye_scene import draw_scene
from simgan_jax.data.unity_eyes import Framing, builder
from simgan_jax.data.unity_eyes.builder import _listing, _pairs
from simgan_jax.data.unity_eyes.decode import (
    decode,
    visible_iris,
)
from simgan_jax.errors import UserError
from simgan_jax.metrics.angles import angular_error

COUNT = 8


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Pictures of the embedded simulator in UnityEyes' format."""
    folder = tmp_path_factory.mktemp("unity")
    unity_export.export_unity_eyes(folder, COUNT, seed=3)
    return folder


@pytest.fixture(scope="module")
def prepared(exported):
    for name in ("unity_eyes", "unity_eyes/colour"):
        prepare(name, exported, exported / "tfds", workers=1)
    return {"source": "unity_eyes", "data_dir": str(exported / "tfds")}


def truth():
    """Gaze, head and 640 x 480 pixels of what `exported` shows, from the simulator itself."""
    people, parts = eyes.cast("simulator", "train"), []
    for block in range(COUNT // unity_export.BLOCK):
        rng = np.random.default_rng([3, block])
        who = rng.integers(len(people["upper"]), size=unity_export.BLOCK)
        person = {name: value[who] for name, value in people.items()}
        pose, look, labels = draw_scene(rng, person, "simulator")
        points = eyes.point_labels(pose, look, unity_export.VIEW)
        parts.append({"gaze": labels["gaze"], "head_pose": labels["head_pose"]} | points)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def by_name(folder, config="grey"):
    source = tfds.data_source(f"unity_eyes/{config}", split="train", data_dir=folder / "tfds")
    examples = {example["name"].decode(): example for example in source}
    return [examples[f"{i + 1}.jpg"] for i in range(COUNT)]


def test_labels_of_exported_pictures_are_those_of_the_simulator(exported, prepared):
    true = truth()
    for i, example in enumerate(by_name(exported)):
        assert angular_error(example["gaze"], true["gaze"][i]) < 0.1
        assert np.degrees(abs(example["head_pose"] - true["head_pose"][i])).max() < 0.1
        # The window's centre is the middle of the lids' box, 224 pixels are 60.
        lid = true["lid"][i]
        centre = (lid.min(0) + lid.max(0)) / 2
        place = lambda xy, c=centre: (xy - c) * 60 / 224 + (29.5, 17.5)  # noqa: E731
        np.testing.assert_allclose(example["lid"], place(lid), atol=0.05)
        np.testing.assert_allclose(example["pupil"], place(true["pupil"][i]), atol=1)
        cx, cy, a, b, _ = true["iris_ellipse"][i]
        np.testing.assert_allclose(example["iris_ellipse"][:2], place(np.array([cx, cy])), atol=0.1)
        np.testing.assert_allclose(
            example["iris_ellipse"][2:4], np.array([a, b]) * 60 / 224, atol=0.1
        )


def test_pictures_show_the_iris_where_the_labels_say(exported, prepared):
    for example in by_name(exported):
        image, mask = example["image"][..., 0].astype(float), example["iris_mask"] / 255
        x, y = example["pupil"]
        rows, columns = np.indices(image.shape)
        white = (mask == 0) & (np.hypot(rows - y, columns - x) < 16)
        white &= visible_iris(example["lid"], example["lid"], 36, 60) == 255

        def contrast(dy, dx, image=image, mask=mask, white=white):
            moved = shift(image, (dy, dx), order=1, mode="nearest")
            return moved[white].mean() - (moved * mask).sum() / mask.sum()

        steps = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4)]
        best = max(steps, key=lambda step: contrast(*step))
        assert abs(best[1]) <= 1
        assert contrast(0, 0) > 30


def test_iris_is_as_large_as_in_mpiigaze(exported, prepared):
    sizes = [2 * example["iris_ellipse"][2] for example in by_name(exported)]
    assert np.mean(sizes) == pytest.approx(20, abs=1.5)


def test_histogram_is_equalised_as_in_mpiigaze(exported, prepared):
    plain = Framing()
    for i, example in enumerate(by_name(exported)):
        levels = np.sort(example["image"].ravel())
        assert levels[0] == 0
        assert levels[-1] == 255
        # The levels of evenly spaced ranks are evenly spaced.
        ranks = np.linspace(0, len(levels) - 1, 9).astype(int)
        np.testing.assert_allclose(levels[ranks], np.linspace(0, 255, 9), atol=12)
        stem = exported / str(i + 1)
        raw = decode(stem.with_suffix(".jpg"), stem.with_suffix(".json"), plain, False, False)
        np.testing.assert_array_equal(equalized(raw["image"][..., 0]), example["image"][..., 0])


def test_colour_is_kept_where_asked_for(exported, prepared):
    colour = load(prepared | {"config": "colour"})
    assert colour.images.shape == (COUNT, 36, 60, 3)
    assert (colour.images[..., 0] != colour.images[..., 2]).mean() > 0.5


def test_35_by_55_is_the_middle_and_labels_follow(prepared):
    whole, middle = load(prepared), load(prepared | {"height": 35, "width": 55})
    np.testing.assert_array_equal(middle.images, whole.images[:, 0:35, 2:57])
    np.testing.assert_array_equal(
        middle.labels["iris_mask"], whole.labels["iris_mask"][:, 0:35, 2:57]
    )
    for name in ("pupil", "lid", "iris", "caruncle"):
        np.testing.assert_allclose(middle.labels[name], whole.labels[name] - [2, 0], atol=1e-5)
    np.testing.assert_array_equal(middle.labels["gaze"], whole.labels["gaze"])


def test_heads_turned_too_far_are_left_out(prepared):
    yaw = np.degrees(load(prepared).labels["head_pose"][:, 1])
    limit = np.median(abs(yaw))
    kept = load(prepared | {"max_head_yaw": float(limit)})
    assert len(kept) == (abs(yaw) <= limit).sum() < COUNT
    assert (abs(np.degrees(kept.labels["head_pose"][:, 1])) <= limit + 1e-4).all()
    with pytest.raises(UserError, match=r"no head within 0\.01 degrees of pitch"):
        load(prepared | {"max_head_pitch": 0.01})


def test_size_of_the_picture_is_read_from_the_picture(exported, tmp_path):
    details = json.loads((exported / "1.json").read_text())
    for name in ("interior_margin_2d", "caruncle_2d", "iris_2d"):
        points = [np.array(text[1:-1].split(","), float) * (2, 2, 1) for text in details[name]]
        details[name] = [f"({x:.4f}, {y:.4f}, {z:.4f})" for x, y, z in points]
    (tmp_path / "1.json").write_text(json.dumps(details))
    Image.open(exported / "1.jpg").resize((1280, 960)).save(tmp_path / "1.jpg", quality=95)
    small, large = (
        decode(f / "1.jpg", f / "1.json", Framing(), False, False) for f in (exported, tmp_path)
    )
    np.testing.assert_allclose(small["lid"], large["lid"], atol=1e-3)
    np.testing.assert_allclose(small["image"].astype(float), large["image"].astype(float), atol=12)


def test_framing_scales_image_and_labels_together(exported):
    files = exported / "2.jpg", exported / "2.json"
    usual = decode(*files, Framing(), False, False)
    twice = decode(*files, Framing(height=72, width=120, window=112 / 60), False, False)
    np.testing.assert_allclose(twice["pupil"], usual["pupil"] * 2 + 0.5, atol=1e-4)
    pooled = twice["image"].reshape(36, 2, 60, 2).mean((1, 3))
    assert abs(pooled - usual["image"][..., 0]).mean() < 3


def test_pictures_and_labels_are_paired_by_name():
    there = (10, 99)
    names = ("1.jpg", "1.json", "2.jpg", "3.json", "b/4.PNG", "b/4.json", "info.json", "x.jpg")
    assert _pairs(dict.fromkeys(names, there)) == [
        ("1.jpg", there, "1.json", there),
        ("2.jpg", there, "2.json", None),
        ("3.jpg", None, "3.json", there),
        ("b/4.PNG", there, "b/4.json", there),
    ]


def scaled(exported, folder, count, factor):
    """The pictures in another size, beside the JSON files as they were."""
    folder.mkdir()
    for i in range(1, count + 1):
        (folder / f"{i}.json").symlink_to(exported / f"{i % COUNT + 1}.json")
        if i <= COUNT:
            picture = Image.open(exported / f"{i % COUNT + 1}.jpg")
            picture.resize((round(640 * factor), round(480 * factor))).save(folder / f"{i}.jpg")
        else:
            (folder / f"{i}.jpg").symlink_to(f"{i - COUNT}.jpg")
    return folder


def work(folder, on_error):
    return builder._work(str(folder), _pairs(_listing(folder)), Framing(), False, True, on_error)


def test_pictures_enlarged_without_their_labels_are_named(exported, tmp_path):
    twice = scaled(exported, tmp_path / "twice", 3, 2)
    with pytest.raises(
        UserError, match=r"1\.json: the eye is -2.% of the width .* 1280 x 960 pixels"
    ):
        work(twice, "stop")
    assert len(work(twice, "skip").faults) == 3


def test_many_pictures_that_are_a_little_enlarged_are_named(exported, tmp_path):
    assert len(work(scaled(exported, tmp_path / "right", 12, 1), "stop").examples["name"]) == 12
    with pytest.raises(
        UserError, match=r"1\.jpg and the next have their eyes about -1.% of the width"
    ):
        work(scaled(exported, tmp_path / "wrong", 12, 1.4), "skip")


def test_lost_files_and_links_are_counted_and_other_pictures_named(exported, tmp_path):
    for i in range(1, COUNT + 1):
        for suffix in (".jpg", ".json"):
            (tmp_path / f"{i}{suffix}").symlink_to(exported / f"{i}{suffix}")
    for name in ("2.json", "3.jpg", "4.jpg"):
        (tmp_path / name).unlink()
    (tmp_path / "4.jpg").symlink_to("/nowhere/4.jpg")
    (tmp_path / "there").symlink_to(exported, target_is_directory=True)
    (tmp_path / "there/again").symlink_to(tmp_path, target_is_directory=True)
    try:
        assert sum(name.startswith("there/") for name, *_ in _pairs(_listing(tmp_path))) == COUNT
    finally:
        (exported / "again").unlink()
        (tmp_path / "there").unlink()
    faults = work(tmp_path, "skip").faults
    assert [fault.split(": ", 1)[1] for fault in faults] == [
        "no such file",
        "no such file",
        "a link to /nowhere/4.jpg, which is not there",
    ]
    with pytest.raises(UserError, match=r"2\.json: no such file \(--on_error=skip leaves out"):
        work(tmp_path, "stop")


@pytest.mark.parametrize("mode", ["I;16", "CMYK", "1"])
def test_pictures_of_another_kind_are_named(exported, tmp_path, mode):
    (tmp_path / "1.json").symlink_to(exported / "1.json")
    path = tmp_path / ("1.jpg" if mode == "CMYK" else "1.png")
    Image.new(mode, (640, 480)).save(path)
    with pytest.raises(UserError, match=f"mode {mode}; UnityEyes writes 8-bit RGB"):
        decode(path, tmp_path / "1.json", Framing(), False, False)


def test_a_missing_set_says_which_files_go_where(tmp_path):
    with pytest.raises(UserError) as error:
        unity_eyes.load(data_dir=str(tmp_path))
    assert "N.jpg" in str(error.value)
    assert "prepare unity_eyes/grey --manual_dir=FOLDER" in str(error.value)
