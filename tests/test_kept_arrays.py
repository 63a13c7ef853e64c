"""Drawn sets that commands keep."""

import os
import stat

import numpy as np
import pytest

from simgan_jax.data import Arrays
from simgan_jax.data.procedural.drawn import LEAST, drawn
from simgan_jax.io import kept_arrays

SETTINGS = ("camera", 7, (0.0, 0.5))


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The user's cache, as a command uses it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("JAX_ENABLE_COMPILATION_CACHE", raising=False)
    monkeypatch.setattr(kept_arrays, "_keeping", False)
    kept_arrays.keep_arrays()
    return tmp_path / "simgan_jax" / "drawn"


class Pencil:
    """Draws noise, and counts how often it has to."""

    def __init__(self):
        self.times = 0

    def draw(self, settings=SETTINGS, count=LEAST):
        def noise():
            self.times += 1
            rng = np.random.default_rng(0)
            images = rng.integers(0, 256, (count, 3, 2, 1), np.uint8)
            return Arrays(images, {"gaze": rng.normal(size=(count, 3)).astype(np.float32)})

        return drawn("noise", count, settings, noise)


def assert_same(a, b):
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.labels["gaze"], b.labels["gaze"])
    assert a.labels.keys() == b.labels.keys() == {"gaze"}
    assert (a.images.dtype, a.labels["gaze"].dtype) == (np.uint8, np.float32)


def test_what_was_drawn_is_read_bit_for_bit(folder):
    pencil = Pencil()
    first, second = pencil.draw(), pencil.draw()
    assert pencil.times == 1
    assert_same(second, first)
    second.images[:] = 0  # as free to be written to as what has just been drawn
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_any_other_setting_is_drawn(folder):
    pencil = Pencil()
    for settings in (SETTINGS, ("camera", 8, (0.0, 0.5)), ("camera", 7, (0.0, 0.25))):
        pencil.draw(settings)
    assert pencil.times == len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_is_drawn_anew_and_replaced(folder, damage):
    pencil = Pencil()
    first = pencil.draw()
    (path,) = folder.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flip": content, "cut": content[:500], "empty": b""}[damage])
    assert_same(pencil.draw(), first)
    assert_same(pencil.draw(), first)
    assert pencil.times == 2


def test_few_pictures_are_drawn_sooner_than_found(folder):
    pencil = Pencil()
    pencil.draw(count=LEAST - 1)
    assert not folder.exists()


def test_the_least_recently_used_go_first_and_what_is_too_large_is_not_kept(folder, monkeypatch):
    one = 20_000  # bytes of a set: 18,000 and the names of its arrays
    monkeypatch.setattr(kept_arrays, "LARGEST_BYTES", 2 * one)
    pencil = Pencil()
    for age, seed in enumerate((2, 1)):
        before = set(folder.glob("*"))
        pencil.draw(seed)
        (new,) = set(folder.glob("*")) - before
        os.utime(new, ns=(age, age))
    pencil.draw(2)  # used again
    pencil.draw(3)
    assert pencil.times == 3
    pencil.draw(2)
    assert pencil.times == 3
    pencil.draw(1)
    assert pencil.times == 4
    monkeypatch.setattr(kept_arrays, "LARGEST_BYTES", one)
    pencil.draw(4)
    pencil.draw(4)
    assert pencil.times == 6


def test_nothing_is_kept_where_nobody_has_asked_or_it_is_switched_off(folder, monkeypatch):
    pencil = Pencil()
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "0")
    kept_arrays.keep_arrays()
    pencil.draw()
    monkeypatch.setattr(kept_arrays, "_keeping", False)
    pencil.draw()
    assert pencil.times == 2
    assert not folder.exists()


def test_without_a_folder_to_write_everything_is_drawn(folder, monkeypatch, tmp_path):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    pencil = Pencil()
    pencil.draw()
    pencil.draw()
    assert pencil.times == 2
