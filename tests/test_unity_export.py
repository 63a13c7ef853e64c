import json

import numpy as np
import pytest
from PIL import Image
from unity_export import export_unity_eyes, head_pose_to_unity

from simgan_jax.data.procedural import eye_geometry as geometry


def floats(text):
    return np.array([float(v) for v in text.strip("()").split(",")])


def test_unity_head_pose_of_known_heads():
    rotation = geometry.head_rotation(*np.radians([[0.0, 0, 10], [0.0, -23.8451, 0], [0.0, 0, 0]]))
    # Face to face; face turned to image right, as in a genuine file with yaw 203.8; face up.
    np.testing.assert_allclose(
        head_pose_to_unity(rotation), [[0, 180], [0, 203.8451], [350, 180]], atol=1e-9
    )


def test_export_follows_the_conventions_of_unityeyes(tmp_path):
    export_unity_eyes(tmp_path, count=2, seed=4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.jpg", "1.json", "2.jpg", "2.json"]
    for number in (1, 2):
        details = json.loads((tmp_path / f"{number}.json").read_text())
        points = {
            name: np.array([floats(p) for p in details[name]])
            for name in ("interior_margin_2d", "caruncle_2d", "iris_2d")
        }
        assert {name: len(p) for name, p in points.items()} == {
            "interior_margin_2d": 16,
            "caruncle_2d": 7,
            "iris_2d": 32,
        }
        lid, iris = points["interior_margin_2d"], points["iris_2d"]
        assert points["caruncle_2d"][:, 0].mean() < iris[:, 0].mean()  # inner corner at image left
        assert lid[4, 1] > lid[12, 1]  # y counts from the bottom: upper lid, lower lid
        assert iris[0, 0] == iris[:, 0].min()  # begins at image left and goes over the top
        assert iris[8, 1] > iris[24, 1]
        diameter = np.ptp(iris[:, 0])
        assert 60 < diameter < 85  # 11 to 12.5 mm at 6 px/mm, and the eye may be turned
        look = floats(details["eye_details"]["look_vec"])
        assert look.shape == (4,)
        assert np.linalg.norm(look[:3]) == pytest.approx(1, abs=1e-3)
        assert look[2] < 0 == look[3]
        pitch, yaw, roll = floats(details["head_pose"])
        assert 0 <= pitch < 360
        assert abs(yaw - 180) < 30
        assert roll == 0
        picture = np.asarray(Image.open(tmp_path / f"{number}.jpg"))
        assert picture.shape == (480, 640, 3)
        x, y = np.round(iris[:, :2].mean(axis=0)).astype(int)
        disc = picture[480 - y - 8 : 480 - y + 8, x - 8 : x + 8]
        assert np.median(disc) < 0.5 * np.median(picture)  # there is the pupil


def test_export_fields_are_strings_with_the_names_of_a_genuine_file(tmp_path):
    export_unity_eyes(tmp_path, count=1)
    details = json.loads((tmp_path / "1.json").read_text())
    assert list(details) == [
        *("interior_margin_2d", "caruncle_2d", "iris_2d"),
        *("eye_details", "lighting_details", "eye_region_details", "head_pose"),
    ]

    def leaves(value):
        if isinstance(value, dict):
            return [leaf for v in value.values() for leaf in leaves(v)]
        return [leaf for v in value for leaf in leaves(v)] if isinstance(value, list) else [value]

    assert all(isinstance(leaf, str) for leaf in leaves(details))
