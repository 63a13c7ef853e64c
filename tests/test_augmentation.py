"""Turns and crops move image and joints together; changes of appearance move what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.estimators import augmentation
from simgan_jax.estimators.augmentation import Appearance, Framing

vary_framing = jax.jit(augmentation.vary_framing, static_argnums=3)
vary_appearance = jax.jit(augmentation.vary_appearance, static_argnums=2)
reframe = jax.jit(augmentation.reframe)


def dots(centres, side=48):
    """Background 1 with a round dot of radius 4 px, value -0.5, in every image."""
    v, u = np.mgrid[:side, :side]
    centres = np.asarray(centres)[:, :, None, None]
    near = np.hypot(u - centres[:, 0], v - centres[:, 1]) < 4
    return np.where(near, -0.5, 1.0).astype(np.float32)[..., None]


def locate(image):
    """Centre of mass (u, v) of what is not background."""
    v, u = np.nonzero(np.asarray(image)[..., 0] < 1)
    return np.array([u.mean(), v.mean()])


def test_a_joint_stays_on_its_dot():
    centres = np.random.default_rng(0).uniform(15, 33, (24, 2)).astype(np.float32)
    depth = np.full((24, 1, 1), 700, np.float32)
    joints = np.concatenate([centres[:, None], depth], -1)
    images, moved = vary_framing(jax.random.key(0), dots(centres), joints)
    found = np.stack([locate(image) for image in images])
    np.testing.assert_allclose(found, moved[:, 0, :2], atol=0.5)
    assert np.abs(found - centres).max() > 3
    np.testing.assert_array_equal(moved[..., 2], 700)


def test_values_are_those_of_the_image_or_background():
    images = dots([[24, 24], [10, 40]])
    changed, _ = vary_framing(jax.random.key(1), images, jnp.zeros((2, 1, 2)))
    assert set(np.unique(changed)) == {-0.5, 1.0}


def test_no_strength_changes_nothing():
    images = np.random.default_rng(0).uniform(-1, 1, (3, 9, 12, 1)).astype(np.float32)
    joints = np.random.default_rng(1).uniform(0, 9, (3, 4, 3)).astype(np.float32)
    nothing = Framing(0, 0, 0)
    changed, moved = vary_framing(jax.random.key(0), images, joints, nothing)
    np.testing.assert_array_equal(changed, images)
    np.testing.assert_allclose(moved, joints, atol=1e-5)


def test_a_quarter_turn_is_clockwise():
    images = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 2)).astype(np.float32)
    joints = jnp.array([[[7.0, 0.0]]])
    turned, moved = reframe(images, joints, jnp.array([np.pi / 2]), jnp.ones(1), jnp.zeros((1, 2)))
    np.testing.assert_array_equal(turned[0], np.rot90(images[0], -1))
    np.testing.assert_allclose(moved, [[[7.0, 7.0]]], atol=1e-4)


def test_a_crop_twice_as_wide_halves_the_content_and_pads_with_background():
    images = np.zeros((1, 8, 8, 1), np.float32)
    joints = jnp.array([[[7.5, 3.5]]])
    changed, moved = reframe(images, joints, jnp.zeros(1), jnp.full(1, 2.0), jnp.zeros((1, 2)))
    assert (np.asarray(changed) == 0).sum() == 16
    np.testing.assert_allclose(moved, [[[5.5, 3.5]]])


def test_a_crop_that_moves_right_moves_the_content_left():
    images = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1) / 16
    joints = jnp.array([[[2.0, 1.0]]])
    changed, moved = reframe(images, joints, jnp.zeros(1), jnp.ones(1), jnp.array([[1.0, 0.0]]))
    np.testing.assert_array_equal(changed[0, :, :3, 0], images[0, :, 1:, 0])
    np.testing.assert_array_equal(changed[0, :, 3, 0], 1)
    np.testing.assert_array_equal(moved, [[[1.0, 1.0]]])


def test_limits_hold_and_images_differ():
    count = 400
    centre = jnp.full((count, 1, 2), 23.5)
    corner = jnp.full((count, 1, 2), 47.0)
    images = jnp.ones((count, 48, 48, 1))
    _, moved = vary_framing(jax.random.key(2), images, jnp.concatenate([centre, corner], 1))
    arm = np.asarray(moved[:, 1] - moved[:, 0])
    angle = np.degrees(np.arctan2(arm[:, 1], arm[:, 0])) - 45
    zoom = 23.5 * np.sqrt(2) / np.hypot(*arm.T)
    assert np.abs(angle).max() <= 20.01
    assert np.abs(angle).max() > 18
    assert angle.mean() == pytest.approx(0, abs=2)
    assert 0.899 < zoom.min() < 0.91
    assert 1.09 < zoom.max() < 1.101


def test_an_image_depends_on_the_key_and_its_place_alone():
    images, joints = dots([[24, 24]] * 3), jnp.full((3, 1, 2), 24.0)
    one, _ = vary_framing(jax.random.key(3), images[:1], joints[:1])
    three, _ = vary_framing(jax.random.key(3), images, joints)
    np.testing.assert_array_equal(one[0], three[0])
    assert (three[0] != three[1]).any()


def test_augmentation_moves_the_label_with_the_image():
    key = jax.random.key(0)
    unit = jax.random.uniform(jax.random.key(1), (8, 20, 24, 1), minval=-1)
    only_shift = Appearance(2, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    images, moved = vary_appearance(key, unit, only_shift)
    assert len(np.unique(np.asarray(moved))) > 2
    for before, after, (x, y) in zip(unit, images, moved, strict=True):
        expected = np.roll(before, (y, x), (0, 1))[2:-2, 2:-2]
        np.testing.assert_allclose(after[2:-2, 2:-2], expected, atol=1e-5)


def test_augmentation_changes_each_image_in_its_own_way_and_stays_in_range():
    same = jnp.zeros((6, 20, 24, 1)) + 0.3
    images, _ = vary_appearance(jax.random.key(1), same)
    assert np.abs(images).max() <= 1
    assert len({round(float(x), 4) for x in images.mean((1, 2, 3))}) == 6
    longer, _ = vary_appearance(jax.random.key(1), jnp.zeros((9, 20, 24, 1)) + 0.3)
    np.testing.assert_allclose(longer[:6], images, atol=1e-6)


def test_strength_widens_all_limits():
    assert Appearance().times(1) == Appearance()
    assert Appearance().times(0) == Appearance(0, 1.0, 0, 0, 0, 0, 0)
    assert Appearance(3, 1.6, 0.4, 0.3, 0.4, 1.3, 0.12).times(1.5) == pytest.approx(
        (4, 1.6**1.5, 0.6, 0.45, 0.6, 1.95, 0.18)
    )
    assert Framing(20, 0.1, 0.05).times(0.5) == (10, 0.05, 0.025)


def test_a_wide_blur_is_as_wide_as_it_says():
    point = jnp.zeros((31, 31, 1)).at[15, 15].set(1.0)
    spread = np.asarray(augmentation.blur(point, 2.6, largest=2.6))[..., 0]
    offsets = np.arange(31) - 15
    assert np.sqrt((spread.sum(0) * offsets**2).sum()) == pytest.approx(2.6, rel=0.02)


def test_blur_keeps_the_mean_and_spreads_a_point_by_its_sigma():
    point = jnp.zeros((21, 21, 1)).at[10, 10].set(1.0)
    spread = np.asarray(augmentation.blur(point, 1.2))[..., 0]
    assert spread.sum() == pytest.approx(1)
    offsets = np.arange(21) - 10
    assert np.sqrt((spread.sum(0) * offsets**2).sum()) == pytest.approx(1.2, rel=0.02)
    np.testing.assert_allclose(augmentation.blur(point, 0.0), point, atol=1e-6)
