"""Settings of how the embedded simulators spread poses, framing and sizes."""

import json

import numpy as np
import pytest
from ml_collections import ConfigDict

from simgan_jax.data import load
from simgan_jax.data.procedural.hand_geometry import SKELETON
from simgan_jax.data.procedural.spread import Spread
from simgan_jax.errors import UserError
from simgan_jax.metrics.angles import pitch_yaw

ANYWHERE = (-100, 100)


def eyes(count=64, **distributions):
    return load({"source": "procedural_eyes", "count": count, "distributions": distributions})


def gaze(arrays):
    return np.degrees(pitch_yaw(arrays.labels["gaze"]))


# Spread


def test_a_spread_is_normal_and_clipped_to_its_limits():
    values = Spread(10, 2, 5, 14, ANYWHERE).values(np.array([-3.0, -1, 0, 1, 3]))
    np.testing.assert_allclose(values, [5, 8, 10, 12, 14])


def test_what_follows_adds_its_share_of_the_leader_to_its_mean():
    spread = Spread(1, 2, -20, 20, ANYWHERE, follow=0.5)
    values = spread.values(np.array([0.0, 1, -1]), np.array([10.0, 10, -8]))
    np.testing.assert_allclose(values, [6, 8, -5])


def test_without_a_standard_deviation_values_are_even_between_the_limits():
    quartiles = np.array([-0.67448975, 0, 0.67448975])
    spread = Spread(0, None, 10, 30, ANYWHERE)
    np.testing.assert_allclose(spread.values(quartiles), [15, 20, 25], atol=1e-6)


def test_several_means_are_groups_of_equal_size_with_the_spread_of_one():
    normal = np.random.default_rng(0).standard_normal(30_000)
    values = Spread((-15, 0, 15), 1, -40, 40, ANYWHERE).values(normal)
    group = np.round(values / 15)
    for k in (-1, 0, 1):
        own = values[group == k] - 15 * k
        assert len(own) == pytest.approx(10_000, rel=0.03)
        assert own.mean() == pytest.approx(0, abs=0.05)
        assert own.std() == pytest.approx(1, abs=0.03)


# Eyes


@pytest.mark.parametrize(
    ("domain", "sums"),
    [
        ("simulator", [209235, 207676, 210809, 212271]),
        ("camera", [247041, 247289, 247523, 249013]),
    ],
)
def test_pictures_without_settings_stay_what_they_were(domain, sums):
    arrays = load({"source": "procedural_eyes", "domain": domain, "count": 4})
    # Sums of grey values; processors differ in the last bit of a sine, another draw in thousands.
    np.testing.assert_allclose(arrays.images.sum((1, 2, 3)), sums, atol=30)


def test_columbia_gaze_can_be_asked_for():
    arrays = eyes(
        count=300,
        pitch={"mean": (-10, 0, 10), "std": 0, "low": -10, "high": 10},
        yaw={"std": None, "low": -15, "high": 15},
        head_pitch={"follow": 0, "std": 0},
        head_yaw={"follow": 0, "mean": (-15, 0, 15), "std": 0},
        head_roll={"std": 0},
    )
    pitch, yaw = gaze(arrays).T
    head_pitch, head_yaw = np.degrees(arrays.labels["head_pose"]).T
    np.testing.assert_allclose(pitch, np.round(pitch / 10) * 10, atol=1e-4)
    assert set(np.round(pitch)) == {-10, 0, 10}
    assert abs(yaw).max() <= 15.0001
    # An even distribution of 30 degrees' width.
    assert yaw.std() == pytest.approx(30 / np.sqrt(12), rel=0.08)
    np.testing.assert_allclose(head_pitch, 0, atol=1e-4)
    assert set(np.round(head_yaw, 3)) == {-15, 0, 15}
    assert abs(np.corrcoef(yaw, head_yaw)[0, 1]) < 0.2


def test_a_shift_moves_the_pupil_by_its_pixels_and_nothing_else():
    still = {"mean": 0, "std": 0}
    plain = eyes(shift_x=still, distance={"std": 0})
    moved = eyes(shift_x=still | {"mean": 2}, distance={"std": 0})
    step = moved.labels["pupil"] - plain.labels["pupil"]
    # 2 mm at 600 mm and a focal length of 960 px, the pupil being a little nearer.
    np.testing.assert_allclose(step, np.broadcast_to([3.2, 0], step.shape), atol=0.1)
    for name in ("gaze", "head_pose", "participant"):
        np.testing.assert_array_equal(moved.labels[name], plain.labels[name])


def test_distance_scales_the_eye():
    near = eyes(distance={"mean": 500, "std": 0}).labels["iris_ellipse"]
    far = eyes(distance={"mean": 600, "std": 0}).labels["iris_ellipse"]
    np.testing.assert_allclose(near[:, 2] / far[:, 2], 1.2, atol=0.01)


def test_iris_and_lids_have_the_asked_sizes():
    narrow = eyes(
        iris_radius={"mean": 5.5, "std": 0}, upper_lid={"mean": 3, "std": 0, "low": 2, "high": 4}
    )
    wide = eyes(iris_radius={"mean": 6, "std": 0}, upper_lid={"mean": 6, "std": 0})
    ratio = wide.labels["iris_ellipse"][:, 2] / narrow.labels["iris_ellipse"][:, 2]
    # The cornea magnifies less towards its edge: 5.5 mm are seen as 5.95, 6 mm as 6.35.
    np.testing.assert_allclose(ratio, 6.35 / 5.95, atol=0.01)
    opening = [
        (x.labels["lid"][:, 12, 1] - x.labels["lid"][:, 4, 1]).mean() for x in (narrow, wide)
    ]
    assert opening[1] > opening[0] + 3


def test_settings_come_from_a_configuration_or_a_json_file():
    settings = {"yaw": {"mean": [-5, 5], "std": 1}, "pitch": {"std": None}}
    spec = {"source": "procedural_eyes", "count": 8, "distributions": settings}
    expected = load(spec).images
    np.testing.assert_array_equal(load(json.loads(json.dumps(spec))).images, expected)
    np.testing.assert_array_equal(load(ConfigDict(spec)).images, expected)


@pytest.mark.parametrize(
    ("distributions", "words"),
    [
        ({"pich": {}}, r"distributions\.pich does not exist; there are pitch, yaw"),
        ({"pitch": {"sd": 3}}, r"pitch\.sd does not exist; there are mean, std, low, high$"),
        ({"pitch": {"follow": 1}}, r"pitch\.follow does not exist"),
        ({"pitch": -9}, r"pitch is -9; expected settings by name"),
        ({"pitch": {"mean": "low"}}, r"pitch\.mean is 'low'; expected a number"),
        ({"pitch": {"mean": (0, None)}}, r"pitch\.mean is None; expected a number"),
        ({"pitch": {"std": -1}}, r"pitch\.std is -1; expected 0 or more, or None"),
        ({"pitch": {"std": float("nan")}}, r"pitch\.std is nan"),
        ({"pitch": {"low": 9}}, r"pitch: low is 9, high 8; expected -50 <= low <= high <= 50"),
        ({"yaw": {"high": 90}}, r"yaw: low is -24, high 90"),
        ({"pitch": {"mean": 10}}, r"pitch\.mean is 10, outside low -27 to high 8"),
        ({"head_yaw": {"mean": (-30, 0)}}, r"head_yaw\.mean is -30, outside"),
    ],
)
def test_impossible_settings_are_one_clear_line(distributions, words):
    with pytest.raises(UserError, match=words) as caught:
        eyes(**distributions)
    assert "\n" not in str(caught.value)


# Hands


def hands(count=32, **distributions):
    spec = {"source": "procedural_hands", "domain": "simulator", "split": "train", "count": count}
    return load(spec | {"distributions": distributions})


def joint(arrays, name):
    return arrays.labels["skeleton_uvd"][:, SKELETON.index(name)]


def test_hands_without_settings_stay_what_they_were():
    # Sums of depth values: an outline's pixel may go over to the background, another draw shows.
    expected = [188908792, 185085788, 184463350, 185500209]
    np.testing.assert_allclose(hands(4).images.sum((1, 2, 3)), expected, atol=70_000)


def test_hands_turn_and_bend_as_asked():
    still = {"mean": 0, "std": 0}
    turned = {
        name: [hands(**{name: still}), hands(**{name: still | {"mean": 20}})]
        for name in ("roll", "pitch", "yaw", "flexion")
    }

    def step(name, joint_name):
        before, after = turned[name]
        return (joint(after, joint_name) - joint(before, joint_name)).mean(0)

    assert step("roll", "middle_tip")[0] > step("roll", "wrist")[0] + 3  # the top goes to the right
    assert step("pitch", "middle_tip")[2] < step("pitch", "wrist")[2] - 20
    assert step("yaw", "wrist_radial")[2] < step("yaw", "wrist_ulnar")[2] - 8
    assert step("flexion", "middle_tip")[1] > step("flexion", "wrist")[1] + 2  # fingers close


def test_a_hand_off_the_middle_of_its_crop_is_shifted_by_its_pixels():
    still = {"mean": 0, "std": 0}
    plain, moved = hands(shift_x=still), hands(shift_x=still | {"mean": 30})
    step = joint(moved, "palm") - joint(plain, "palm")
    # 56 px are 300 mm at the distance of the crop's centre.
    np.testing.assert_allclose(step[:, 0], 5.6, atol=0.4)
    np.testing.assert_allclose(step[:, 1:], 0, atol=1e-3)


def test_an_impossible_view_of_a_hand_is_one_clear_line():
    with pytest.raises(
        UserError, match=r"procedural hands: distributions\.pitch: low is -44, high 95"
    ):
        hands(pitch={"high": 95})
