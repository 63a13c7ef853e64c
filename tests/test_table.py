import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simgan_jax.data import load
from simgan_jax.errors import UserError

REAL = Path(os.environ.get("SIMGAN_TEST_DATA", "/nowhere"))


@pytest.fixture
def table(tmp_path):
    """Two images of 8 x 4 (width x height) with one white pixel, and a table of the given text."""
    (tmp_path / "images").mkdir()
    for name, (x, y) in {"a.png": (2, 1), "b.png": (5, 3)}.items():
        pixels = np.zeros((4, 8), np.uint8)
        pixels[y, x] = 255
        Image.fromarray(pixels).save(tmp_path / "images" / name)

    def write(text):
        path = tmp_path / "labels.csv"
        path.write_text(text)
        return {"source": "table", "path": str(path)}

    return write


def test_rows_keep_their_order_and_labels_their_values(table):
    arrays = load(
        table(
            "gaze_pitch_deg,file,gaze_yaw_deg,note,participant,head_pitch,head_yaw,group,day\n"
            "0,images/b.png,90,blue,7,0.1,-0.2,16777217,3\n"
            "30,images/a.png,0,,8,0,0,2,1\n"
        )
    )
    assert arrays.images.shape == (2, 4, 8, 1)
    assert arrays.images[0, 3, 5, 0] == 255
    np.testing.assert_allclose(
        arrays.labels["gaze"], [[-1, 0, 0], [0, -0.5, -np.sqrt(0.75)]], atol=1e-7
    )
    np.testing.assert_allclose(arrays.labels["head_pose"], [[0.1, -0.2], [0, 0]], atol=1e-7)
    assert arrays.labels["participant"].tolist() == [7, 8]
    assert arrays.labels["group"].tolist() == [16777217, 2], "whole numbers, not float32"
    assert arrays.labels["day"].tolist() == [3, 1]
    assert set(arrays.labels) == {"gaze", "head_pose", "participant", "group", "day"}


def test_vectors_are_normalised(table):
    arrays = load(table("file,gaze_x,gaze_y,gaze_z\nimages/a.png,0,3,-4\n"))
    np.testing.assert_allclose(arrays.labels["gaze"], [[0, 0.6, -0.8]], atol=1e-7)


@pytest.mark.parametrize("fit,height,width", [("cover", 8, 8), ("crop", 2, 6), ("resize", 8, 8)])
def test_pixel_labels_follow_the_image(table, fit, height, width):
    spec = table("file,iris_x,iris_y\nimages/a.png,2,1\nimages/b.png,5,2\n")
    arrays = load(spec | {"fit": fit, "height": height, "width": width})
    x, y = arrays.labels["pupil"][0]
    expected = {"cover": (0.5, 2.5), "crop": (1, 0), "resize": (2, 2.5)}[fit]
    assert (x, y) == pytest.approx(expected)
    # The white pixel's centre of mass is where the label says.
    weights = arrays.images[0, ..., 0].astype(float)
    weights[weights < 20] = 0
    rows, columns = np.indices(weights.shape)
    if fit != "cover":  # which has cut a part of it off
        assert (weights * columns).sum() / weights.sum() == pytest.approx(x, abs=0.2)
    assert (weights * rows).sum() / weights.sum() == pytest.approx(y, abs=0.2)


def test_joints_move_in_u_and_v_and_keep_their_depth(table):
    spec = table("file,joint0_u,joint0_v,joint0_d,joint1_u,joint1_v,joint1_d\n"
                 "images/a.png,2,1,700,4,3,710\n")  # fmt: skip
    labels = load(spec | {"fit": "resize", "height": 8, "width": 16}).labels
    np.testing.assert_allclose(
        labels["joints_uvd"], [[[4.5, 2.5, 700], [8.5, 6.5, 710]]], atol=1e-5
    )


@pytest.mark.parametrize(
    "text,message",
    [
        ("name,x\na,1\n", "no column 'file'"),
        ("a\n1\n", "no column 'file'"),
        ("file,file\n1,2\n", "there twice"),
        ("file,gaze_x\nimages/a.png,1\n", "column gaze_x without gaze_y"),
        ("file,joint1_u\nimages/a.png,1\n", "column joint1_u without joint0_u"),
        ("file,pupil_x,pupil_y,iris_x,iris_y\nimages/a.png,1,1,1,1\n", "pupil is there twice"),
        ("file,iris_x,iris_y\nimages/a.png,1\n", "row 2: 2 values for 3 columns"),
        ("file,iris_x,iris_y\nimages/a.png,1,nan\n", "row 2: iris_y is 'nan', expected a number"),
        ("file,iris_x,iris_y\nimages/a.png,1,__import__\n", "row 2: iris_y is '__import__'"),
        ("file\n../secret.png\n", "is not below the folder"),
        ("file\n/etc/passwd\n", "is not below the folder"),
        ("file\nimages/c.png\n", "row 2: .*images/c.png: no such file"),
        ("file,gaze_x,gaze_y,gaze_z\nimages/a.png,0,0,0\n", "gaze has length 0"),
        ("file\n", "no row below the names"),
    ],
)
def test_mistakes_are_named(table, text, message):
    with pytest.raises(UserError, match=message):
        load(table(text))


def test_skip_leaves_out_the_damaged_row_with_its_labels(table, capsys):
    spec = table("file,iris_x,iris_y\nimages/a.png,2,oops\nimages/b.png,5,3\nimages/no.png,1,1\n")
    arrays = load(spec | {"on_error": "skip"})
    assert arrays.images[0, 3, 5, 0] == 255
    assert arrays.labels["pupil"].tolist() == [[5, 3]]
    assert "skipped 2 of 3 rows" in capsys.readouterr().err


@pytest.mark.skipif(
    not (REAL / "nir_eyes").is_dir(), reason="SIMGAN_TEST_DATA has no folder nir_eyes"
)
def test_real_near_infrared_eyes_are_dark_where_the_iris_is_labelled():
    arrays = load({"source": "table", "path": str(REAL / "nir_eyes/labelled/labels.csv")})
    assert arrays.images.shape == (500, 100, 100, 1)
    x, y = arrays.labels["pupil"].round().astype(int).T
    padded = np.pad(arrays.images[..., 0], ((0, 0), (5, 5), (5, 5)), mode="edge")
    # The median passes over the lamp's reflection in the pupil.
    at_iris = [np.median(p[j : j + 11, i : i + 11]) for p, i, j in zip(padded, x, y, strict=True)]
    darker = at_iris < arrays.images.reshape(500, -1).mean(1)
    assert darker.mean() > 0.95
