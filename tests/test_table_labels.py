"""Labels of a table that cannot be right are one line; those of turned images turn with them."""

import numpy as np
import pytest
from pictures import ORIENTATION, as_shown
from PIL import Image

from simgan_jax.data import load, table
from simgan_jax.errors import UserError
from simgan_jax.metrics.angles import from_pitch_yaw

JOINTS = "file," + ",".join(f"joint{i}_{axis}" for i in range(3) for axis in "uvd") + "\n"


@pytest.fixture
def labelled(tmp_path):
    """Writes a table beside an image of 20 x 10 pixels (width x height)."""
    Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20)).save(tmp_path / "a.png")

    def write(text):
        (tmp_path / "labels.csv").write_text(text)
        return {"source": "table", "path": str(tmp_path / "labels.csv")}

    return write


def joints(*rows):
    return JOINTS + "".join("a.png," + ",".join(map(str, row)) + "\n" for row in rows)


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "file,gaze_pitch,gaze_yaw\na.png,0.1,0\na.png,0.1,12.5\n",
            "row 3: gaze_yaw is 12.5, expected radians from -1.571 to 1.571; degrees are for a column "
            "gaze_yaw_deg",
        ),
        ("file,gaze_pitch,gaze_yaw\na.png,-30,0\n", "row 2: gaze_pitch is -30, expected radians"),
        (
            "file,gaze_pitch_deg,gaze_yaw_deg\na.png,3,120\n",
            "row 2: gaze_yaw_deg is 120, expected degrees from -90 to 90",
        ),
        (
            "file,gaze_pitch_deg,gaze_yaw_deg\na.png,0.1,-0.4\na.png,-0.2,0.3\n",
            "gaze_pitch_deg, gaze_yaw_deg: no value of 2 rows is beyond 0.4 degrees; radians?",
        ),
        (
            "file,head_pitch_deg,head_yaw_deg\na.png,0.1,-0.4\na.png,-0.2,0.3\n",
            "columns head_pitch, head_yaw",
        ),
        ("file,head_pitch,head_yaw\na.png,0.1,4\n", "head_yaw is 4, expected radians from -3.142"),
        ("file,head_pitch,head_yaw\na.png,12,0\n", "head_pitch is 12, expected radians"),
        (
            "file,head_pitch_deg,head_yaw_deg\na.png,95,0\n",
            "head_pitch_deg is 95, expected degrees",
        ),
        ("file,gaze_x,gaze_y,gaze_z\na.png,0,0.6,0.8\n", "row 2: gaze_z is 0.8, expected below 0"),
        (
            "file,gaze_x,gaze_y,gaze_z\na.png,0,0.6,-0.8\na.png,0,0,-1\na.png,0,3,-4\n",
            "row 4: gaze has length 5, those of the other rows are 1",
        ),
        (
            "file,pupil_x,pupil_y\na.png,19.6,2\n",
            "row 2: pupil 19.6, 2 lies outside of a.png, 20 x 10",
        ),
        ("file,pupil_x,pupil_y\na.png,2,-1\n", "row 2: pupil 2, -1 lies outside"),
        (
            "file,pupil_x,pupil_y\na.png,12,15\n",
            "row 2: pupil 12, 15 lies outside of a.png, 20 x 10",
        ),
        (
            "file,pupil_x,pupil_y\na.png,0.5,0.25\na.png,0.75,0.5\n",
            "pupil: no place of 2 rows is beyond 1 pixel; shares of the image",
        ),
        (joints((1, 1, 0.7, 2, 2, 0.75, 3, 3, 0.8), (1, 1, 0.7, 2, 2, 0.7, 3, 3, 0.7)), "metres?"),
        (joints((1, 1, 700, 2, 2, 7e5, 3, 3, 700)), "row 2: joint1_d is 700000, expected mm"),
        (joints((1, 1, 700, 2, 99, 700, 3, 3, 700)), "joint1 at 2, 99 lies outside of a.png"),
        (joints((25, 1, 700, 26, 2, 700, 3, 3, 700)), "joint0 at 25, 1 lies .*; 2 of 3 joints do"),
        (joints((0.1, 0.2, 7, 0.3, 0.2, 70, 0.3, 1, 90), [0.5] * 9), "shares of the image"),
    ],
)
def test_labels_that_cannot_be_right_are_one_line(labelled, text, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")) as caught:
        load(labelled(text))
    assert "labels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "file,gaze_pitch_deg,gaze_yaw_deg\na.png,0,0\na.png,0,0\n",
        "file,gaze_pitch_deg,gaze_yaw_deg\na.png,0.5,-1\na.png,-2,1.6\n",
        "file,gaze_pitch_deg,gaze_yaw_deg\na.png,0.5,-1\n",
        "file,gaze_x,gaze_y,gaze_z\na.png,0,0.6,-0.8\na.png,10,20,-600\na.png,0,0,-500\n",
        "file,head_pitch,head_yaw\na.png,-1.5,3.1\n",
        "file,pupil_x,pupil_y\na.png,-0.4,0\na.png,19.4,9.4\n",
        joints((1, 1, -30, 2, 2, 20, 25, 3, 0)),
        joints((1, 1, 0, 2, 2, 0, 3, 3, 0), (1, 1, 0, 2, 2, 0, 3, 3, 0)),
    ],
)
def test_unusual_labels_that_can_be_right_are_read(labelled, text):
    assert len(load(labelled(text))) == text.count("a.png")


def test_rows_that_cannot_be_right_are_skipped_and_counted(labelled, capsys):
    rows = ["0,0.6,-0.8", "0,0,1", "0,0,-1", "0,0,-9", "0.6,0,-0.8"]
    text = "file,gaze_x,gaze_y,gaze_z\n" + "".join(f"a.png,{row}\n" for row in rows)
    gaze = load(labelled(text) | {"on_error": "skip"}).labels["gaze"]
    np.testing.assert_allclose(gaze, [[0, 0.6, -0.8], [0, 0, -1], [0.6, 0, -0.8]], atol=1e-6)
    assert "skipped 2 of 5 rows; first" in capsys.readouterr().err


def test_rows_are_not_skipped_where_most_of_them_cannot_be_right(labelled):
    text = "file,gaze_pitch,gaze_yaw\na.png,-30,5\na.png,0.5,-1\na.png,12,9\n"
    with pytest.raises(
        UserError, match=r"2 of 3 rows cannot be right, too many .*row 2: gaze_pitch"
    ):
        load(labelled(text) | {"on_error": "skip"})


def test_labels_without_images_are_checked_too(tmp_path):
    (tmp_path / "like.csv").write_text("gaze_pitch,gaze_yaw\n0,0\n-30,10\n")
    with pytest.raises(UserError, match=r"like\.csv, row 3: gaze_pitch is -30, expected radians"):
        table.read_labels(str(tmp_path / "like.csv"))


@pytest.fixture(params=range(1, 9))
def turned(request, tmp_path):
    """An image with one white pixel, stored turned; its place in the stored and in the shown one."""
    stored = np.zeros((1, 12, 18, 1), np.uint8)
    stored[0, 3:5, 13:15] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = request.param
    Image.fromarray(stored[0, ..., 0]).save(tmp_path / "a.png", exif=exif)
    shown = as_shown(stored, request.param)
    place = np.argwhere(shown[0, ..., 0]).mean(0)[::-1]
    return tmp_path / "labels.csv", request.param, shown, place


def test_images_are_upright_and_labels_of_the_shown_ones_fit(turned, capsys):
    path, orientation, shown, (x, y) = turned
    path.write_text(f"file,pupil_x,pupil_y\na.png,{x},{y}\n")
    arrays = load({"source": "table", "path": str(path)})
    np.testing.assert_array_equal(arrays.images, shown)
    np.testing.assert_allclose(arrays.labels["pupil"], [[x, y]])
    said = capsys.readouterr().err
    assert ("1 images have an orientation tag, first a.png: pupil" in said) == (orientation != 1)
    load({"source": "table", "path": str(path), "orientation": "shown"})
    assert not capsys.readouterr().err


def test_labels_of_stored_images_turn_with_them(turned):
    path, orientation, shown, place = turned
    path.write_text(
        "file,pupil_x,pupil_y,gaze_pitch,gaze_yaw,head_pitch,head_yaw,joint0_u,joint0_v,joint0_d\n"
        "a.png,13.5,3.5,0.3,0.2,-0.1,0.4,13.5,3.5,700\n"
    )
    spec = {"source": "table", "path": str(path), "orientation": "stored"}
    labels = load(spec).labels
    np.testing.assert_allclose(labels["pupil"], [place])
    np.testing.assert_allclose(labels["joints_uvd"], [[[*place, 700]]])
    # A step along the gaze in the stored image is one in the shown image.
    gaze, head = from_pitch_yaw(np.array([[0.3, 0.2], [-0.1, 0.4]]))
    matrix = {
        1: [[1, 0], [0, 1]],
        2: [[-1, 0], [0, 1]],
        3: [[-1, 0], [0, -1]],
        4: [[1, 0], [0, -1]],
        5: [[0, 1], [1, 0]],
        6: [[0, -1], [1, 0]],
        7: [[0, -1], [-1, 0]],
        8: [[0, 1], [-1, 0]],
    }[orientation]
    np.testing.assert_allclose(labels["gaze"][0], [*matrix @ gaze[:2], gaze[2]], atol=1e-6)
    face = from_pitch_yaw(labels["head_pose"][0])
    np.testing.assert_allclose(face, [*matrix @ head[:2], head[2]], atol=1e-6)
    # And scaled to half the size, they still fit.
    height, width = shown.shape[1] // 2, shown.shape[2] // 2
    half = load(spec | {"height": height, "width": width, "fit": "resize"})
    x, y = half.labels["pupil"][0]
    weights = np.where(half.images[0, ..., 0] > 40, half.images[0, ..., 0], 0).astype(float)
    rows, columns = np.indices(weights.shape)
    assert (weights * columns).sum() / weights.sum() == pytest.approx(x, abs=0.1)
    assert (weights * rows).sum() / weights.sum() == pytest.approx(y, abs=0.1)


def test_a_place_that_fits_the_stored_image_alone_names_the_key(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("L", (18, 12)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "labels.csv").write_text("file,pupil_x,pupil_y\na.jpg,15,3\n")
    with pytest.raises(UserError, match=r"12 x 18 pixels .* as shown; see the key orientation"):
        load({"source": "table", "path": str(tmp_path / "labels.csv")})
