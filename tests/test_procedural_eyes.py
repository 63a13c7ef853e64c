import json
import time
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from simgan_jax.data.procedural import camera, eyes, face_geometry
from simgan_jax.data.procedural import eye_geometry as geometry
from simgan_jax.data.procedural.eye_geometry import View
from simgan_jax.data.procedural.eye_render import render
from simgan_jax.data.procedural.eye_scene import draw_gaze, draw_people, draw_scene
from simgan_jax.data.procedural.unity_export import export_unity_eyes, head_pose_to_unity
from simgan_jax.errors import UserError

CROP = View.crop(35, 55)


def scene(count=16, seed=0):
    rng = np.random.default_rng(seed)
    return draw_scene(rng, draw_people(rng, count), "simulator")


def looking(pitch, yaw):
    """One eye straight in front of the camera, wide open, looking somewhere (degrees)."""
    pose, look, _ = scene(1)
    pose = replace(
        pose,
        head=np.eye(3, dtype=np.float32)[None],
        origin=np.array([[0, 0, 595]], np.float32),
        eyeball=np.array([[0, 0, 600]], np.float32),
        axis=geometry.direction(*np.radians(np.float32([[pitch], [yaw]]))),
        upper=np.float32([25]),
        lower=np.float32([25]),
        half_width=np.float32([30]),
    )
    return pose, look


def iris_mask(pose, look, view=CROP):
    return render(pose, look, view, 1, np.random.default_rng(0))[1]


def centroid(mask):
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return np.array([(x * mask).sum(), (y * mask).sum()]) / mask.sum()


# Geometry


def test_an_eye_that_looks_into_the_camera_shows_its_pupil_in_the_middle():
    labels = eyes.point_labels(*looking(0, 0), CROP)
    np.testing.assert_allclose(labels["pupil"], [[27, 17]], atol=1e-3)
    x, y, a, b, _ = labels["iris_ellipse"][0]
    np.testing.assert_allclose([x, y], [27, 17], atol=1e-3)
    np.testing.assert_allclose(a, b, rtol=1e-3)


def test_the_cornea_magnifies_the_iris_as_paraxial_optics_says():
    pose, _ = looking(0, 0)
    seen = CROP.project(*geometry.see_circle(np.float32([0.5]), pose))
    # An object 3.98 mm behind a surface of radius 7.8 mm: 1.3375/3.98 - 0.3375/7.8 = 1/3.415;
    # magnified by 1.3375 * 3.415 / 3.98 and seen 3.415 behind the apex, which is at 600 - 13.38.
    expected = 0.5 * 1.3375 * 3.415 / 3.98 * 960 / (600 - 13.38 + 3.415)
    np.testing.assert_allclose(np.hypot(*(seen[0] - [27, 17]).T), expected, rtol=2e-3)


@pytest.mark.parametrize(
    "pitch, yaw, step",
    # The iris turns 9.4 mm in front of the centre and seems another 0.5 nearer: 9.9 sin(10) 1.63 px/mm.
    [(0, 10, (-2.8, 0)), (0, -10, (2.8, 0)), (10, 0, (0, -2.8)), (-10, 0, (0, 2.8))],
)
def test_positive_yaw_looks_to_image_left_and_positive_pitch_up(pitch, yaw, step):
    pupil = eyes.point_labels(*looking(pitch, yaw), CROP)["pupil"][0]
    np.testing.assert_allclose(pupil - [27, 17], step, atol=0.15)


@pytest.mark.parametrize("pitch, yaw", [(0, 0), (-25, 15), (7, -24), (-10, 24)])
def test_pupil_label_is_the_centroid_of_the_rendered_pupil(pitch, yaw):
    pose, look = looking(pitch, yaw)
    as_pupil = replace(look, iris_radius=look.pupil_radius)  # the mask then shows the pupil alone
    label = eyes.point_labels(pose, look, CROP)["pupil"][0]
    np.testing.assert_allclose(centroid(iris_mask(pose, as_pupil)[0]), label, atol=0.1)


def test_iris_mask_has_the_area_and_centre_of_the_ellipse_where_lids_are_away():
    pose, look = looking(-12, 20)
    x, y, a, b, angle = eyes.point_labels(pose, look, CROP)["iris_ellipse"][0]
    mask = iris_mask(pose, look)[0]
    np.testing.assert_allclose(mask.sum(), np.pi * a * b, rtol=0.02)
    np.testing.assert_allclose(centroid(mask), [x, y], atol=0.1)
    v, u = np.mgrid[:35, :55]
    along = (u - x) * np.cos(angle) + (v - y) * np.sin(angle)
    # The second moment of an ellipse along its long axis is a^2 / 4.
    np.testing.assert_allclose((mask * along**2).sum() / mask.sum(), a * a / 4, rtol=0.04)


def test_the_dark_disc_in_the_picture_is_where_the_pupil_label_says():
    pose, look = looking(-10, 8)
    look = replace(look, iris=np.full((1, 3), 0.3, np.float32), glint=np.zeros((1, 2), np.float32))
    light, mask = render(pose, look, CROP, 1, np.random.default_rng(0))
    dark = (light[0, ..., 0] < 0.25 * np.median(light[0, ..., 0][mask[0] > 0.99])) & (
        mask[0] > 0.99
    )
    label = eyes.point_labels(pose, look, CROP)["pupil"][0]
    np.testing.assert_allclose(centroid(dark), label, atol=0.3)


def test_lid_labels_lie_on_the_lids_that_the_rays_of_the_picture_meet():
    pose, _, _ = scene(64)
    points = face_geometry.lid_points(pose)
    x, y = face_geometry.meet_face(
        points[..., 0] / points[..., 2], points[..., 1] / points[..., 2], pose
    )
    upper, lower, _ = face_geometry.lid_curves(x, pose)
    np.testing.assert_allclose(y[:, 1:8], upper[:, 1:8], atol=0.1)  # mm
    np.testing.assert_allclose(y[:, 9:], lower[:, 9:], atol=0.1)
    assert (y[:, 4] < y[:, 12]).all()  # the upper lid is above the lower
    assert (points[:, 0, 0] < points[:, 8, 0]).all()  # the inner corner is at image left


def test_iris_masks_stay_between_the_lids():
    data = eyes.load(count=64, seed=3)
    columns = np.arange(55)
    for lid, mask in zip(data.labels["lid"], data.labels["iris_mask"], strict=True):
        upper = np.interp(columns, *lid[:9].T)
        lower = np.interp(columns, *lid[[0, *range(15, 7, -1)]].T)
        y, x = np.nonzero(mask > 12)
        # A pixel is touched from half its size away, the rest is the chords' distance from the curve.
        assert (y > upper[x] - 0.75).all()
        assert (y < lower[x] + 0.75).all()


@hypothesis.given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_angles_invert_directions(pitch, yaw):
    np.testing.assert_allclose(
        geometry.angles(geometry.direction(pitch, yaw)), [pitch, yaw], atol=1e-6
    )


def test_directions_of_known_angles():
    at = geometry.direction(np.radians([0, 0, 90]), np.radians([0, 90, 0]))
    np.testing.assert_allclose(at, [[0, 0, -1], [-1, 0, 0], [0, -1, 0]], atol=1e-7)


def test_a_head_turned_to_image_left_has_positive_yaw_as_in_mpiigaze():
    rotation = geometry.head_rotation(*np.radians([[-10.0], [20.0], [3.0]]))
    np.testing.assert_allclose(rotation[0] @ rotation[0].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation[0]) == pytest.approx(1)
    face = -rotation[0, :, 2]
    assert face[0] < 0 < face[1]  # to image left, and down
    unrolled = geometry.head_rotation(*np.radians([[-10.0], [20.0], [0.0]]))[0, :, 2]
    pitch, yaw = np.arcsin(unrolled[1]), np.arctan2(unrolled[0], unrolled[2])
    np.testing.assert_allclose(np.degrees([pitch, yaw]), [-10, 20])


def test_ellipse_through_known_points():
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    x, y = 5 * np.cos(turn), 2 * np.sin(turn)
    c, s = np.cos(0.5), np.sin(0.5)
    found = geometry.ellipse(np.stack([10 + c * x - s * y, 20 + s * x + c * y], -1)[None])
    np.testing.assert_allclose(found, [[10, 20, 5, 2, 0.5]], atol=1e-6)


def test_gaze_stays_within_the_documented_range():
    gaze, head = np.degrees(draw_gaze(np.random.default_rng(0), 4000))
    assert -27.1 < gaze[:, 0].min() < -25 < 5 < gaze[:, 0].max() < 8.1
    assert abs(gaze[:, 1]).max() <= 24 + 1e-9
    assert abs(head).max() <= 22 + 1e-9
    np.testing.assert_allclose(gaze.mean(axis=0), [-9, 0], atol=0.7)


# Pictures


def test_images_and_labels_have_the_agreed_shapes():
    data = eyes.load(domain="camera", split="test", count=5, channels=3)
    shapes = {name: (value.shape, value.dtype.name) for name, value in data.labels.items()}
    assert data.images.shape == (5, 35, 55, 3)
    assert data.images.dtype == np.uint8
    assert shapes == {
        "gaze": ((5, 3), "float32"),
        "head_pose": ((5, 2), "float32"),
        "pupil": ((5, 2), "float32"),
        "iris_ellipse": ((5, 5), "float32"),
        "lid": ((5, 16, 2), "float32"),
        "iris_mask": ((5, 35, 55), "uint8"),
        "eye_mask": ((5, 35, 55), "uint8"),
        "participant": ((5,), "int32"),
    }
    np.testing.assert_allclose(np.linalg.norm(data.labels["gaze"], axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("domain", ["simulator", "camera"])
def test_pictures_depend_on_seed_and_index_and_not_on_count(domain):
    few, many = (eyes.load(domain=domain, count=n, seed=5) for n in (7, 70))
    np.testing.assert_array_equal(few.images, many.images[:7])
    for name, value in few.labels.items():
        np.testing.assert_array_equal(value, many.labels[name][:7])
    assert not np.array_equal(few.images, eyes.load(domain=domain, count=7, seed=6).images)
    assert not np.array_equal(many.images[:6], many.images[64:])  # blocks differ


def test_no_person_is_in_two_sets():
    casts = [eyes.cast(*key) for key in eyes.PEOPLE]
    iris = np.concatenate([c["iris_radius"] * 1000 + c["crease"] for c in casts])
    assert len(set(iris)) == len(iris) == sum(eyes.PEOPLE.values())


def test_twice_the_pixels_show_the_same_eye():
    small, large = eyes.load(count=8), eyes.load(count=8, height=70, width=110)
    for name in ("pupil", "lid"):
        np.testing.assert_allclose(large.labels[name], 2 * small.labels[name] + 0.5, atol=1e-3)
    pooled = large.images.reshape(8, 35, 2, 55, 2).mean(axis=(2, 4))
    assert abs(pooled - small.images[..., 0]).mean() < 3


def test_irises_are_darker_than_the_white_beside_them():
    data = eyes.load(count=64, seed=1)
    mask = data.labels["iris_mask"] / 255
    dark = (data.images[..., 0] * mask).sum(axis=(1, 2)) / mask.sum(axis=(1, 2))
    whole = data.images.mean(axis=(1, 2, 3))
    assert (dark < whole).mean() > 0.95


def test_photographs_are_equalised_and_the_simulator_is_not():
    photos = eyes.load(domain="camera", count=32).images
    clean = eyes.load(count=32).images
    uniform = 255 / np.sqrt(12)
    assert abs(photos.std(axis=(1, 2, 3)) - uniform).max() < 4
    assert clean.std(axis=(1, 2, 3)).max() < uniform - 5


def test_kappa_moves_the_pupil_but_not_the_gaze():
    straight, turned = eyes.load(count=8), eyes.load(count=8, kappa=(0.0, -5.8))
    np.testing.assert_array_equal(straight.labels["gaze"], turned.labels["gaze"])
    moved = turned.labels["pupil"] - straight.labels["pupil"]
    np.testing.assert_allclose(moved[:, 0], 9.9 * np.sin(np.radians(5.8)) * 1.6, atol=0.3)


def test_equalize_spreads_levels_by_rank():
    image = np.array([[10, 10, 20, 30]], np.uint8)[..., None]
    # Two of four below or at 10 are the base; 20 is halfway through the rest.
    np.testing.assert_array_equal(camera.equalize(image)[0, :, 0], [0, 0, 128, 255])


def test_colour_photographs_keep_their_colours():
    photos = eyes.load(domain="camera", count=16, channels=3).images.astype(float)
    red, _, blue = photos.mean(axis=(1, 2)).T
    assert (red > blue).all()  # skin
    assert photos.std() < 70  # an equalised image has 74


def test_equalize_leaves_a_flat_image_flat():
    assert np.ptp(camera.equalize(np.full((4, 4, 1), 77, np.uint8))) == 0


def test_a_jpeg_changes_pixels_but_little():
    image = eyes.load(count=1).images[0]
    seen = camera.jpeg(image, 75).astype(int)
    assert 0 < abs(seen - image).mean() < 6


def test_blur_keeps_flat_images_and_spreads_a_point_as_a_gaussian():
    images = np.ones((2, 21, 21, 1), np.float32)
    sigma = np.array([1.0, 2.0], np.float32)
    np.testing.assert_allclose(camera.blur(images, sigma), 1, rtol=1e-5)
    point = np.zeros_like(images)
    point[:, 10, 10] = 1
    seen = camera.blur(point, sigma)
    np.testing.assert_allclose(seen[:, 10, 10, 0], 1 / (2 * np.pi * sigma**2), rtol=0.01)


def test_only_those_who_wear_glasses_have_them():
    light = np.full((2, 35, 55, 1), 0.2, np.float32)
    seen = camera.add_glasses(light, np.array([0, 1]), np.random.default_rng(0))
    np.testing.assert_array_equal(seen[0], light[0])
    assert abs(seen[1] - light[1]).max() > 0.1


@pytest.mark.parametrize(
    "keywords, words",
    [
        ({"domain": "photo"}, "'photo'.*simulator and camera"),
        ({"split": "validation"}, "'validation'.*train and test"),
        ({"channels": 2}, "channels is 2"),
        ({"count": 0}, "0 images of 35x55"),
        ({"width": 4}, "of 35x4"),
    ],
)
def test_impossible_requests_are_user_errors(keywords, words):
    with pytest.raises(UserError, match=words):
        eyes.load(**{"count": 4} | keywords)


def test_fifty_thousand_pictures_take_about_a_minute_of_two_cores():
    eyes.load(domain="camera", count=32)
    before = time.process_time()
    eyes.load(domain="camera", count=320)
    # CPU seconds, so that a busy machine does not fail; a factor of two for a slow one.
    assert time.process_time() - before < 2 * 320 * 120 / 50_000


# UnityEyes files


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


def test_eye_mask_covers_iris_and_lids_and_leaves_the_skin():
    arrays = eyes.load("simulator", "train", 40)
    eye, iris = arrays.labels["eye_mask"], arrays.labels["iris_mask"]
    assert eye.shape == arrays.images.shape[:3]
    assert set(np.unique(eye)) == {0, 255}
    assert (eye[iris > 0] == 255).all()
    corners = np.rint(arrays.labels["lid"]).astype(int)
    inside = (corners >= 0).all(-1) & (corners < (55, 35)).all(-1)
    rows = np.broadcast_to(np.arange(40)[:, None], inside.shape)[inside]
    assert (eye[rows, corners[inside][:, 1], corners[inside][:, 0]] == 255).all()
    assert 0.15 < (eye > 0).mean() < 0.5
