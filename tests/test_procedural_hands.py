"""The embedded hand, its renderer and its depth camera."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgan_jax.data import load
from simgan_jax.data.depth import decode_depth
from simgan_jax.data.procedural import (
    cones,
    depth_camera,
    hand_geometry,
    hand_scene,
    hands,
)
from simgan_jax.errors import UserError


def render(start, end, start_radius, end_radius, side=21, focal=100.0):
    """Depth of the cones of one image."""
    start, end = np.array([start], float), np.array([end], float)
    radii = np.array([start_radius], float), np.array([end_radius], float)
    return cones.render_depth(start, end, *radii, np.array([focal]), side, side)[0]


def median_hands(count):
    ones = np.ones(count)
    return hand_geometry.Shape(ones, np.ones((count, 5)), ones, ones, 50 * ones)


def flat_angles():
    return np.zeros((1, len(hand_geometry.ANGLES)))


@pytest.fixture(scope="module")
def simulated():
    return hands.load("simulator", "train", 32, seed=3, height=112, width=112)


@pytest.fixture(scope="module")
def photographed():
    return hands.load("camera", "train", 64, seed=3)


def test_depth_of_a_sphere_is_its_front():
    depth = render([(0, 0, 500)], [(0, 0, 500)], [50], [50])
    assert depth[10, 10] == pytest.approx(450, abs=1e-3)
    # 10 px right of the axis the ray is (0.1, 0, 1): 1.01 t^2 - 1000 t + 247500 = 0.
    assert depth[10, 20] == pytest.approx((500 - np.sqrt(250000 - 1.01 * 247500)) / 1.01, abs=1e-2)


def test_depth_is_infinite_beside_the_cone():
    depth = render([(0, 0, 500)], [(0, 0, 500)], [20], [20])
    hit = np.isfinite(depth)
    # tan of the silhouette's angle: 20 / sqrt(500^2 - 20^2) * 100 px = 4.003 px.
    assert hit[10].sum() == 9
    assert hit[10, 6:15].all()


def test_the_nearest_of_two_cones_is_seen():
    depth = render([(0, 0, 500), (0, 0, 400)], [(0, 0, 500), (0, 0, 400)], [50, 5], [50, 5])
    assert depth[10, 10] == pytest.approx(395, abs=1e-3)
    assert depth[10, 14] > 440


@settings(max_examples=25, deadline=None)
@given(
    ends=st.lists(st.floats(-60, 60), min_size=6, max_size=6),
    radii=st.tuples(st.floats(8, 30), st.floats(8, 30)),
)
def test_a_cone_is_the_union_of_the_spheres_along_it(ends, radii):
    start, end = np.reshape(ends, (2, 3)) + np.array([0, 0, 500])
    depth = render([start], [end], [radii[0]], [radii[1]], side=25, focal=80.0)
    share = np.linspace(0, 1, 400)[:, None]
    centres, sizes = start + share * (end - start), radii[0] + share[:, 0] * (radii[1] - radii[0])
    slim, union, thick = (
        render(centres, centres, size, size, side=25, focal=80.0)
        for size in (0.99 * sizes, sizes, 1.01 * sizes)
    )
    # Rays that graze the outline may meet the one or the other.
    assert (np.isfinite(slim) <= np.isfinite(depth)).all()
    assert (np.isfinite(depth) <= np.isfinite(thick)).all()
    both = np.isfinite(depth) & np.isfinite(union)
    # Where a ray grazes, sqrt makes depth as sensitive as it likes: compare all but those.
    error = np.sort(np.abs(depth[both] - union[both]))
    assert error[: int(0.97 * len(error))].max() < 0.2


def test_poses_stay_inside_the_anatomical_limits_and_fill_them():
    angles = hand_scene.sample_angles(np.random.default_rng(0), 2000)
    assert (angles >= hand_geometry.LIMITS[:, 0]).all()
    assert (angles <= hand_geometry.LIMITS[:, 1]).all()
    pip = angles[:, hand_geometry.ANGLES.index("index_pip")]
    assert (pip < 10).mean() > 0.1
    assert (pip > 80).mean() > 0.1


def test_a_straight_finger_points_along_y_and_a_bent_one_out_of_the_palm():
    angles = flat_angles()
    angles[0, hand_geometry.ANGLES.index("middle_mcp")] = 90
    points = hand_geometry.skeleton(angles, median_hands(1))[0]
    at = dict(zip(hand_geometry.SKELETON, points, strict=True))
    np.testing.assert_allclose(at["index_tip"] - at["index_mcp"], (0, 43 + 26 + 20, 0), atol=1e-9)
    np.testing.assert_allclose(at["middle_tip"] - at["middle_mcp"], (0, 0, 98), atol=1e-9)


def test_abduction_turns_a_finger_to_the_thumb():
    angles = flat_angles()
    angles[0, hand_geometry.ANGLES.index("index_abduction")] = 20
    at = dict(
        zip(hand_geometry.SKELETON, hand_geometry.skeleton(angles, median_hands(1))[0], strict=True)
    )
    across, along, out = at["index_tip"] - at["index_mcp"]
    assert np.degrees(np.arctan2(across, along)) == pytest.approx(20)
    assert out == pytest.approx(0)


def test_bones_keep_their_lengths_in_every_pose():
    angles = hand_scene.sample_angles(np.random.default_rng(1), 50)
    points = hand_geometry.skeleton(angles, median_hands(50))
    for chain in range(5):
        bones = np.linalg.norm(np.diff(points[:, 4 * chain : 4 * chain + 4], axis=1), axis=-1)
        np.testing.assert_allclose(bones, np.broadcast_to(bones[0], bones.shape))


def test_views_are_rotations_with_the_palm_to_the_camera():
    views = hand_scene.sample_views(np.random.default_rng(0), 500)
    np.testing.assert_allclose(
        views @ views.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (500, 3, 3)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(views), 1)
    out_of_palm = views[:, 2, 2]  # z of the hand's z axis; the camera's z points away
    assert (out_of_palm < 0.2).all()
    assert out_of_palm.mean() < -0.7


def test_every_joint_lies_in_the_hand_and_below_its_surface(simulated):
    labels = simulated.labels
    depth = decode_depth(simulated.images[..., 0], labels["centre_mm"][:, None, None])
    uvd = labels["joints_uvd"]
    column, row = np.rint(uvd[..., :2]).astype(int).transpose(2, 0, 1)
    image = np.arange(len(uvd))[:, None]
    assert (labels["hand_mask"][image, row, column] == 255).all()
    above = uvd[..., 2] - depth[image, row, column]
    assert above.min() > 3  # flesh, less what half a pixel beside the joint may take
    # The thickest flesh over a joint is 20 mm; more is another finger in front of it.
    assert 5 < np.median(above) < 20
    assert (above < 22).mean() > 0.7


def test_labels_are_those_of_a_pinhole_camera(simulated):
    # Lengths of bones come back from pixels and depth: the median person's scaled by size and finger.
    labels, side = simulated.labels, 112
    uvd = labels["skeleton_uvd"].astype(float)
    focal = side / 300 * labels["centre_mm"][:, None, None]
    xy = (uvd[..., :2] - (side - 1) / 2) * uvd[..., 2:] / focal
    points = np.concatenate([xy, uvd[..., 2:]], -1)
    index = points[:, hand_geometry.SKELETON.index("index_mcp") :][:, :2]
    bone = np.linalg.norm(index[:, 1] - index[:, 0], axis=-1)
    people = hand_scene.people("simulator")[labels["participant"]]
    np.testing.assert_allclose(bone, 43 * people.size * people.bones[:, 1], rtol=1e-4)


def test_background_is_the_far_end_and_nothing_else_is(simulated):
    image, mask = simulated.images[..., 0], simulated.labels["hand_mask"]
    np.testing.assert_array_equal(image == 65535, mask == 0)
    assert set(np.unique(mask)) == {0, 255}
    assert simulated.images.dtype == np.uint16
    assert 0.05 < (mask > 0).mean() < 0.35


@pytest.mark.parametrize("domain", hand_scene.DOMAINS)
def test_the_same_arguments_draw_the_same_hands_and_fewer_are_the_first_of_more(domain):
    spec = {"source": "procedural_hands", "domain": domain, "split": "test"}
    spec |= {"seed": 5, "height": 32, "width": 32}
    many, few = load(spec | {"count": 40}), load(spec | {"count": 7})
    np.testing.assert_array_equal(many.images[:7], few.images)
    for name, values in few.labels.items():
        np.testing.assert_array_equal(many.labels[name][:7], values)
        assert len(values) == 7
    other = load(spec | {"count": 7, "seed": 6})
    assert (other.images != few.images).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("domain", hand_scene.DOMAINS)
def test_nobody_is_in_both_splits(domain):
    train, test = (
        hands.load(domain, split, 200, height=16, width=16).labels["participant"]
        for split in hands.SPLITS
    )
    assert not set(train) & set(test)
    assert min(len(set(train)), len(set(test))) > 5


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"domain": "kinect"}, "'kinect'"),
        ({"split": "validation"}, "'validation'"),
        ({"count": 0}, "0 images"),
        ({"height": 8}, "8x56"),
    ],
)
def test_a_setting_that_does_not_exist_is_named(wrong, named):
    right = {"source": "procedural_hands", "domain": "camera", "split": "train", "count": 1}
    with pytest.raises(UserError, match=named):
        load(right | wrong)


def test_disparity_steps_grow_with_the_square_of_the_distance():
    def step_at(depth):
        levels = np.unique(depth_camera.quantise(np.linspace(depth - 20, depth + 20, 4000)))
        return np.diff(levels).mean()

    # z^2 / (580 px * 75 mm * 8)
    assert step_at(750.0) == pytest.approx(750**2 / 348000, rel=0.02)
    assert step_at(1500.0) / step_at(750.0) == pytest.approx(4, rel=0.05)


def test_the_projector_leaves_a_shadow_to_the_left_of_what_is_near():
    depth = np.full((1, 3, 200), 1000.0)
    depth[..., 100:150] = 700
    dark = depth_camera.shadowed(depth, np.array([569.0]))
    # 569 px * 75 mm * (1/700 - 1/1000) = 18.3 px
    assert np.flatnonzero(dark[0, 1]).tolist() == list(range(82, 100))


def test_noise_grows_with_the_square_of_the_distance():
    rng = np.random.default_rng(0)
    deviation = []
    for distance in (700.0, 1400.0):
        wall = np.full((8, 64, 64), distance, np.float32)
        seen = depth_camera.sense(rng, wall, np.full(8, 64 / 300 * distance))
        deviation.append(np.std(seen[np.isfinite(seen)]))
    # Quantisation adds step^2 / 12 to the noise's variance, in the same proportion at any distance.
    expected = 700**2 * np.hypot(depth_camera.NOISE, 1 / depth_camera.STEPS / np.sqrt(12))
    assert deviation[0] == pytest.approx(expected, rel=0.1)
    assert deviation[1] / deviation[0] == pytest.approx(4, rel=0.15)


def test_the_camera_loses_some_of_the_hand_and_distorts_the_rest_a_little():
    rng = np.random.default_rng(0)
    clean = hands.load("simulator", "train", 32, seed=1)
    centre = clean.labels["centre_mm"]
    depth = decode_depth(clean.images[..., 0], centre[:, None, None])
    hand = clean.labels["hand_mask"] > 0
    depth = np.where(hand, depth, np.inf)
    seen = depth_camera.sense(rng, depth, 56 / 300 * centre)
    kept = np.isfinite(seen)
    assert 0.02 < (hand & ~kept).sum() / hand.sum() < 0.2
    assert (kept & ~hand).sum() / hand.sum() < 0.1
    error = seen[kept & hand] - depth[kept & hand]
    assert np.median(np.abs(error)) < 5
    assert abs(np.median(error)) < 2
    flying = error > 15
    assert 0.001 < flying.mean() < 0.06


def test_photographs_show_holes_and_whole_forearms(photographed):
    image, mask = photographed.images[..., 0], photographed.labels["hand_mask"]
    assert ((image == 65535) & (mask > 0)).any(axis=(1, 2)).mean() > 0.95
    border = mask[:, [0, -1]].any((1, 2)) | mask[:, :, [0, -1]].any((1, 2))
    assert border.mean() > 0.9
    assert hand_scene.people("camera").forearm.min() > hand_scene.people("simulator").forearm.max()
