from dataclasses import replace

import numpy as np
import pytest

from simgan_jax.data.procedural import eye_geometry as geometry
from simgan_jax.data.procedural import eyes, face_geometry
from simgan_jax.data.procedural.eye_geometry import View
from simgan_jax.data.procedural.eye_render import render
from simgan_jax.data.procedural.eye_scene import draw_gaze, draw_people, draw_scene
from simgan_jax.metrics.angles import from_pitch_yaw

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
        axis=from_pitch_yaw(np.radians(np.float32([[pitch, yaw]]))),
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
