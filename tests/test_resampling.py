import numpy as np
import pytest
from ml_collections import ConfigDict

from simgan_jax.data import load
from simgan_jax.data.resampling import draw
from simgan_jax.errors import UserError
from simgan_jax.metrics.angles import pitch_yaw

EYES = {"source": "procedural_eyes", "count": 1500, "height": 8, "width": 10}


def resampled(**keywords):
    return load({"source": "resampled", "images": EYES} | keywords)


def gaze(arrays):
    return np.degrees(pitch_yaw(arrays.labels["gaze"]))


def column(*values):
    return np.array(values, float)[:, None]


@pytest.fixture
def targets(tmp_path):
    """A file of 200 wanted gaze directions: pitch -12 or -4, yaw from -5 to 5 degrees."""
    path = tmp_path / "wanted.csv"
    rows = [f"{-12 + 8 * (i % 2)},{-5 + i / 19.9:.3f}" for i in range(200)]
    path.write_text("\n".join(["gaze_pitch_deg,gaze_yaw_deg", *rows]))
    return str(path)


# Drawing


def test_every_wanted_label_gets_a_row_near_it():
    rows, _ = draw(column(0, 10, 50), column(0.5, 9, 10, 51), 1.0, np.random.default_rng(0))
    assert rows.tolist() == [0, 1, 1, 2]


def test_a_wanted_label_far_from_all_rows_gets_none():
    rows, _ = draw(column(0, 10), column(2.9, 3.1, 14), 1.0, np.random.default_rng(0))
    assert rows.tolist() == [0, -1, -1]


def test_rows_are_weighed_by_a_gaussian_of_their_distance():
    rows, _ = draw(column(0, 1), np.zeros((20_000, 1)), 1.0, np.random.default_rng(0))
    expected = np.exp(-0.5) / (1 + np.exp(-0.5))  # 0.378
    assert (rows == 1).mean() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("wanted", "effective"),
    [
        ([0, 0, 0, 0], 1.0),
        ([0, 100, 200, 300], 4.0),
        # Probabilities 3/4 and 1/4: 1 / (9/16 + 1/16).
        ([0, 0, 0, 100], 1.6),
    ],
)
def test_effective_number_of_rows(wanted, effective):
    _, found = draw(column(0, 100, 200, 300), column(*wanted), 1.0, np.random.default_rng(0))
    assert found == pytest.approx(effective)


# The data source


def test_labels_become_even_between_the_limits():
    plain, drawn = load(EYES), resampled(ranges={"pitch": (-15, 0), "yaw": (-10, 10)})
    assert gaze(plain)[:, 0].mean() < -8.5
    assert len(drawn) == 1500
    np.testing.assert_allclose(gaze(drawn).mean(0), [-7.5, 0], atol=0.5)
    np.testing.assert_allclose(gaze(drawn).std(0), [15 / 12**0.5, 20 / 12**0.5], rtol=0.06)
    np.testing.assert_allclose(
        np.quantile(gaze(drawn)[:, 0], [0.25, 0.75]), [-11.25, -3.75], atol=0.9
    )


def test_images_and_their_other_labels_come_along():
    plain, drawn = load(EYES), resampled(ranges={"pitch": (-15, 0)}, count=50)
    rows = [np.flatnonzero((plain.labels["gaze"] == x).all(1))[0] for x in drawn.labels["gaze"]]
    np.testing.assert_array_equal(drawn.images, plain.images[rows])
    np.testing.assert_array_equal(drawn.labels["pupil"], plain.labels["pupil"][rows])


def test_a_coordinate_without_limits_stays_as_it_is():
    plain, drawn = load(EYES), resampled(ranges={"pitch": (-15, 0)})
    assert gaze(drawn)[:, 1].std() == pytest.approx(gaze(plain)[:, 1].std(), rel=0.06)


def test_labels_follow_a_file_of_labels_without_images(targets):
    pitch, yaw = gaze(resampled(like=targets, count=1000)).T
    np.testing.assert_allclose(np.sort(pitch)[[250, 750]], [-12, -4], atol=0.6)
    assert ((abs(pitch + 12) < 3) | (abs(pitch + 4) < 3)).all()
    assert abs(yaw).max() < 8
    assert yaw.std() == pytest.approx(10 / 12**0.5, rel=0.1)


def test_labels_follow_another_set():
    other = EYES | {
        "distributions": {"pitch": {"mean": -14, "std": 3}, "yaw": {"mean": 4, "std": 4}}
    }
    drawn = resampled(like=other, count=1000)
    np.testing.assert_allclose(gaze(drawn).mean(0), [-14, 4], atol=0.6)
    np.testing.assert_allclose(gaze(drawn).std(0), [3, 4], rtol=0.2)


def test_hands_follow_another_set_of_hands():
    hands = {"source": "procedural_hands", "domain": "simulator", "split": "train", "count": 400}
    few = hands | {"count": 60, "seed": 1, "distributions": {"roll": {"mean": 25, "std": 5}}}
    spec = {
        "source": "resampled",
        "images": hands,
        "label": "joints_uvd",
        "like": few,
        "count": 120,
    }

    def tilt(arrays):  # from the palm to the ring finger's tip
        joints = arrays.labels["joints_uvd"]
        return (joints[:, 2, 0] - joints[:, 13, 0]).mean()

    plain, wanted, drawn = tilt(load(hands)), tilt(load(few)), tilt(load(spec | {"repeats": 100}))
    assert abs(drawn - wanted) < 0.4 * abs(plain - wanted)


def test_the_draw_repeats_and_comes_from_a_configuration():
    spec = {
        "source": "resampled",
        "images": EYES,
        "ranges": {"yaw": [-10, 10]},
        "count": 40,
        "seed": 5,
    }
    once = load(spec)
    np.testing.assert_array_equal(load(ConfigDict(spec)).images, once.images)
    assert (load(spec | {"seed": 6}).labels["gaze"] != once.labels["gaze"]).any()


def test_how_many_different_images_remain_is_told(capsys):
    drawn = resampled(ranges={"pitch": (-12, -6)}, count=2000)
    different = len(np.unique(drawn.labels["gaze"], axis=0))
    line = capsys.readouterr().err
    assert f"2,000 images, {different} different ones of 1,500 (effective number" in line


def test_wanted_labels_that_the_set_does_not_have_are_told_with_their_place():
    says = (
        r"5\d% of the wanted gaze labels .* 3 degrees away .*pitch 11\.\d to .*images has pitch -27"
    )
    with pytest.raises(UserError, match=says):
        resampled(ranges={"pitch": (0, 24)})


def test_a_few_wanted_labels_without_images_are_replaced(tmp_path):
    path = tmp_path / "wanted.csv"
    path.write_text("\n".join(["gaze_pitch_deg,gaze_yaw_deg", *["-9,0"] * 99, "60,60"]))
    drawn = resampled(like=str(path), count=100)
    np.testing.assert_allclose(gaze(drawn), np.broadcast_to([-9, 0], (100, 2)), atol=3)


def test_too_many_repetitions_are_an_error_with_the_number(tmp_path):
    path = tmp_path / "wanted.csv"
    path.write_text("gaze_pitch_deg,gaze_yaw_deg\n-9,0\n")
    says = r"1,500 images would be drawn from \d\d \(effective number\), each \d\d times"
    with pytest.raises(UserError, match=says):
        resampled(like=str(path))


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"label": "colour"}, "'colour' is unknown; one of gaze, head_pose"),
        ({}, "give either like .* or ranges"),
        ({"like": EYES, "ranges": {"yaw": (0, 1)}}, "give either like .* or ranges"),
        ({"ranges": {}}, "expected limits of pitch or yaw by name"),
        ({"ranges": {"roll": (0, 1)}}, r"ranges\.roll does not exist; gaze has pitch, yaw"),
        ({"ranges": {"yaw": 3}}, r"ranges\.yaw is 3; expected two numbers"),
        ({"ranges": {"yaw": (3, 2)}}, r"ranges\.yaw is \(3, 2\); expected two numbers, the lower"),
        (
            {"ranges": {"yaw": (0, 1)}, "repeats": 0.5},
            "repeats is 0.5; expected a number of 1 or more",
        ),
        ({"ranges": {"yaw": (0, 1)}, "count": -1}, "count is -1"),
        ({"ranges": {"yaw": (0, 1)}, "label": "joints_uvd"}, "images has no label 'joints_uvd'"),
        ({"like": "missing.csv"}, r"missing\.csv: no such file"),
    ],
)
def test_impossible_requests_are_one_clear_line(keywords, words):
    with pytest.raises(UserError, match=words):
        resampled(**keywords)
