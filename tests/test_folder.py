import shutil
import tracemalloc

import numpy as np
import pytest
from pictures import ORIENTATION
from PIL import Image

from simgan_jax.data import fitting, folder, load
from simgan_jax.errors import UserError
from simgan_jax.io import image_files


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def grey(tmp_path):
    """Five 6 x 8 images in a tree; image i is filled with 10 i."""
    for i, name in enumerate(["a.png", "b/a.png", "b/c/d.bmp", "e.tif", "f.png"]):
        save(tmp_path / name, np.full((6, 8), 10 * i, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"no image either")
    return tmp_path


def test_any_tree_is_read_in_sorted_order(grey):
    arrays = load({"source": "folder", "path": str(grey)})
    assert arrays.images.shape == (5, 6, 8, 1)
    assert arrays.images.dtype == np.uint8
    assert arrays.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]
    assert arrays.labels == {}


def test_runs_and_refined_images_below_a_folder_are_not_its_images(grey, capsys):
    for name, marks in {
        "runs/a": ("config.json", "environment.json"),
        "refined": ("refine_manifest.json",),
        "parts": ("refine_manifest.1-of-4.json",),
        "begun": (".refine",),
        "b/configured": ("config.json",),
    }.items():
        save(grey / name / "samples" / "x.png", np.full((6, 8), 99, np.uint8))
        for mark in marks:
            (grey / name / mark).write_text("{}")
    images = folder.load(str(grey)).images
    assert images[:, 0, 0, 0].tolist() == [0, 10, 20, 99, 30, 40]
    said = capsys.readouterr().err.splitlines()
    left_out = [f"simgan: warning: {grey / x}: holds a run" for x in ("begun", "parts", "refined")]
    left_out += [f"simgan: warning: {grey / 'runs' / 'a'}: holds a run"]
    assert [line.partition(" or ")[0] for line in said] == left_out
    # Asked for by name, they are read.
    assert len(folder.load(str(grey / "refined"))) == len(folder.load(str(grey / "runs/a"))) == 1


def test_pattern_and_count_choose_files(grey):
    assert len(folder.load(str(grey), pattern="b/*")) == 2
    assert folder.load(str(grey), count=2).images[:, 0, 0, 0].tolist() == [0, 10]
    with pytest.raises(UserError, match="no image there matches"):
        folder.load(str(grey), pattern="*.gif")


def test_npy_stacks_count_by_their_images(grey):
    np.save(grey / "g.npy", np.full((3, 6, 8, 1), 50, np.uint8))
    assert folder.load(str(grey)).images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50, 50, 50]
    assert len(folder.load(str(grey), count=6)) == 6


def test_sixteen_bits_stay_and_eight_bit_neighbours_keep_their_brightness(grey):
    save(grey / "g.png", np.full((6, 8), 4000, np.uint16))
    images = folder.load(str(grey)).images
    assert images.dtype == np.uint16
    assert images[:, 0, 0, 0].tolist() == [0, 2570, 5140, 7710, 10280, 4000]
    assert folder.load(str(grey), dtype="uint8").images[-1, 0, 0, 0] == 16


def test_resize_crop_and_cover(tmp_path):
    array = np.zeros((6, 12), np.uint8)
    array[:, 4:8] = 200
    save(tmp_path / "a.png", array)
    crop = folder.load(str(tmp_path), 6, 4, fit="crop").images[0, ..., 0]
    assert (crop == 200).all()
    cover = folder.load(str(tmp_path), 3, 2, fit="cover").images[0, ..., 0]
    assert (cover > 150).all()
    squeezed = folder.load(str(tmp_path), 6, 6, fit="resize").images[0, ..., 0]
    assert squeezed.shape == (6, 6)
    assert squeezed[0, 0] < 60
    assert squeezed[0, 3] > 150


def test_resizing_sixteen_bits_keeps_a_ramp_finer_than_eight(tmp_path):
    save(tmp_path / "a.png", np.linspace(1000, 1400, 16 * 16).reshape(16, 16).astype(np.uint16))
    image = folder.load(str(tmp_path), 8, 8, fit="resize").images
    assert 1000 <= image.min() < 1050
    assert 1350 < image.max() <= 1400


def test_mixed_channels_are_one_line_that_names_the_odd_one(grey):
    save(grey / "c.png", np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(UserError) as caught:
        folder.load(str(grey))
    assert str(caught.value).startswith(f"{grey / 'c.png'}: 3 channels, the other 5 images have 1;")


def test_colour_is_converted_only_when_asked_for(tmp_path):
    save(tmp_path / "a.png", np.full((6, 8, 3), [255, 0, 0], np.uint8))
    with pytest.raises(UserError, match="images have 3 channels, 1 asked for"):
        folder.load(str(tmp_path), channels=1)
    assert folder.load(str(tmp_path), channels=1, convert=True).images[0, 0, 0, 0] == 76
    assert folder.load(str(tmp_path)).images.shape == (1, 6, 8, 3)


def test_grey_is_repeated_for_a_colour_set(grey):
    assert folder.load(str(grey), channels=3, convert=True).images.shape == (5, 6, 8, 3)


def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path):
    array = np.full((6, 8, 4), 255, np.uint8)
    save(tmp_path / "a.png", array)
    assert folder.load(str(tmp_path)).images.shape == (1, 6, 8, 3)
    array[0, 0, 3] = 9
    save(tmp_path / "a.png", array)
    with pytest.raises(UserError, match="partly transparent"):
        folder.load(str(tmp_path))


def test_damaged_image_stops_or_is_skipped_and_counted(grey, capsys):
    (grey / "b/a.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    whole = (grey / "f.png").read_bytes()
    (grey / "f.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"b/a\.png: not readable"):
        folder.load(str(grey))
    arrays = folder.load(str(grey), on_error="skip")
    assert arrays.images[:, 0, 0, 0].tolist() == [0, 20, 30]
    assert "skipped 2 of 5 files" in capsys.readouterr().err


def test_all_images_damaged_is_an_error_even_when_skipping(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(UserError, match="none of 1 images is readable"):
        folder.load(str(tmp_path), on_error="skip")


@pytest.mark.parametrize(
    "keywords, reason",
    [
        ({"height": 5, "width": 8}, r"8 x 6 pixels, expected 8 x 5; set fit"),
        ({"height": 7, "width": 8, "fit": "crop"}, r"too small to crop 8 x 7"),
        ({"fit": "resize"}, "needs height and width"),
        ({"fit": "stretch"}, "fit is 'stretch'; one of none, resize, crop, cover"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
    ],
)
def test_what_does_not_fit_is_one_line(grey, keywords, reason):
    with pytest.raises(UserError, match=reason) as caught:
        folder.load(str(grey), **keywords)
    assert "\n" not in str(caught.value)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        folder.load(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no images there"):
        folder.load(str(tmp_path))
    with pytest.raises(UserError, match="path is empty"):
        folder.load("")


def test_real_photographs_are_read(real_data):
    path = str(real_data / "nir_eyes/unlabelled")
    arrays = folder.load(path, 35, 55, fit="cover", count=50)
    assert arrays.images.shape == (50, 35, 55, 1)
    assert 30 < arrays.images.mean() < 225


def test_photographs_of_a_phone_are_read_upright(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = np.zeros((8, 12), np.uint8)
    stored[:, :4] = 255  # the left, which is above when shown
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=100)
    save(tmp_path / "b.png", stored.T)
    images = folder.load(str(tmp_path)).images
    assert images.shape == (2, 12, 8, 1)
    assert (images[:, :4] > 240).all()
    assert (images[:, 4:] < 20).all()


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_few_bits_in_sixteen_are_named(tmp_path, capsys, bits):
    ramp = np.linspace(0, 2**bits - 1, 48).astype(np.uint16).reshape(6, 8)
    save(tmp_path / "a.png", ramp)
    folder.load(str(tmp_path))
    said = capsys.readouterr().err
    assert (
        f"{tmp_path}: all values are from 0 to {2**bits - 1:,}, of 0 to 65,535; {bits} bits" in said
    )
    assert f"Multiply them by {2 ** (16 - bits)}" in said
    save(tmp_path / "a.png", ramp * 2 ** (16 - bits))
    folder.load(str(tmp_path))
    assert not capsys.readouterr().err


@pytest.mark.parametrize("source", ["folder", "table"])
def test_large_photographs_are_scaled_one_by_one(tmp_path, source, monkeypatch):
    monkeypatch.setattr(fitting, "DECODED_BYTES", 1)  # one at a time, however many cores there are
    names = [f"{i}.png" for i in range(12)]
    Image.linear_gradient("L").resize((800, 500)).convert("RGB").save(tmp_path / names[0])
    for name in names[1:]:
        (tmp_path / name).hardlink_to(tmp_path / names[0])
    (tmp_path / "labels.csv").write_text("file\n" + "\n".join(names))
    path = {"folder": tmp_path, "table": tmp_path / "labels.csv"}[source]
    spec = {"source": source, "path": str(path), "height": 36, "width": 60, "fit": "cover"}
    tracemalloc.start()
    try:
        assert load(spec).images.shape == (12, 36, 60, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    decoded = 800 * 500 * 3
    assert peak < 5 * decoded


@pytest.mark.parametrize("size", [(800, 480), (804, 484), (801, 481)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_decoded_at_a_part_of_its_size_shows_the_same(tmp_path, size, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    noise = np.random.default_rng(0).integers(0, 255, (12, 20, 3), np.uint8)
    photograph = Image.fromarray(noise).resize(size)
    photograph.save(tmp_path / "a.jpg", exif=exif, quality=95)
    height, width = (30, 50) if orientation == 1 else (50, 30)
    quick = folder.load(str(tmp_path), height, width, fit="cover").images[0]
    part = image_files.read(tmp_path / "a.jpg", least=(3 * height, 3 * width)).pixels
    assert (part.shape[1] * part.shape[2] < size[0] * size[1]) == (size != (801, 481))
    whole = image_files.read(tmp_path / "a.jpg").pixels
    slow = fitting.fitted(whole, np.empty((0, height, width, 3), np.uint8), "cover")[0]
    assert np.abs(quick.astype(int) - slow).mean() < 0.6


def test_links_that_lead_nowhere_are_skipped_and_counted(grey, capsys):
    (grey / "d.png").symlink_to(grey / "gone.png")
    with pytest.raises(UserError, match=r"d\.png: a link to .*gone\.png, which is not there"):
        folder.load(str(grey))
    assert len(folder.load(str(grey), on_error="skip")) == 5
    assert "skipped 1 of 6 files" in capsys.readouterr().err


def test_a_file_in_the_place_of_a_folder_is_no_missing_one(grey):
    for name, said in (
        ("notes.txt", "a file, where a folder is expected"),
        ("x", "no such folder"),
    ):
        with pytest.raises(UserError, match=f"{name}: {said}"):
            folder.load(str(grey / name))


def test_copies_are_told_where_they_are_more_than_a_tenth(tmp_path, capsys):
    for i in range(9):
        save(tmp_path / f"{i}.png", np.full((6, 8), 25 * i, np.uint8))
    save(tmp_path / "a.png", np.full((6, 8), 25, np.uint8))
    folder.load(str(tmp_path))
    assert capsys.readouterr().err == ""
    save(tmp_path / "b.png", np.full((6, 8), 0, np.uint8))
    folder.load(str(tmp_path))
    said = capsys.readouterr().err
    assert f"{tmp_path}: 2 of 11 images are copies of others, and count again" in said


def test_pictures_of_formats_that_are_not_read_are_counted(grey, capsys):
    (grey / "IMG_1.HEIC").write_bytes(b"\0")
    (grey / "b/x.webp").write_bytes(b"\0")
    (grey / "notes").write_bytes(b"\0")
    shutil.copy(grey / "a.png", grey / "b/no_suffix")
    assert len(folder.load(str(grey))) == 5
    said = capsys.readouterr().err
    assert (
        f"{grey}: left out 3 pictures of formats that are not read, or without a suffix, first "
        f"{grey}/IMG_1.HEIC" in said
    )
    folder.load(str(grey), pattern="*.png")
    assert "not read" not in capsys.readouterr().err
    with pytest.raises(
        UserError, match=r"no image there matches '\*.webp' .*; 1 picture of formats"
    ):
        folder.load(str(grey), pattern="*.webp")
