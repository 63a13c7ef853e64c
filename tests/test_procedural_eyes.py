import time

import numpy as np
import pytest

from simgan_jax.data.procedural import camera, eyes
from simgan_jax.errors import UserError


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


def test_travel_turns_the_eye_by_a_share_of_the_gaze():
    straight = {"pitch": {"mean": 0.0, "std": 0.0}, "yaw": {"mean": 10.0, "std": 0.0}}
    looks = {
        share: eyes.load(count=8, travel=(1.0, share), distributions=straight).labels
        for share in (0.0, 0.5, 1.0)
    }
    np.testing.assert_array_equal(looks[0.5]["gaze"], looks[1.0]["gaze"])
    x = {share: labels["pupil"][:, 0] for share, labels in looks.items()}
    np.testing.assert_allclose((x[0.5] - x[0.0]) / (x[1.0] - x[0.0]), 0.5, atol=0.02)


def test_the_simulators_people_can_be_photographed_as_they_sit():
    drawn, photos = eyes.load(count=32), eyes.load(count=32, photographed=True)
    for name in ("gaze", "head_pose", "iris_ellipse", "lid", "participant"):
        np.testing.assert_array_equal(drawn.labels[name], photos.labels[name])
    uniform = 255 / np.sqrt(12)
    assert abs(photos.images.std(axis=(1, 2, 3)) - uniform).max() < 4
    assert drawn.images.std(axis=(1, 2, 3)).max() < uniform - 5


def test_colour_photographs_keep_their_colours():
    photos = eyes.load(domain="camera", count=16, channels=3).images.astype(float)
    red, _, blue = photos.mean(axis=(1, 2)).T
    assert (red > blue).all()  # skin
    assert photos.std() < 70  # an equalised image has 74


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
