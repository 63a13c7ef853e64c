"""The sentences that stand beside an evaluation's figures."""

import numpy as np

from simgan_jax.data import Arrays
from simgan_jax.evaluation.notes import notes_on
from simgan_jax.evaluation.scores import test_groups as groups_of

NOW = {"images": {"synthetic": 9, "real": 9}, "mixed": True}


def labelled(**labels):
    return Arrays(np.zeros((8, 2, 2, 1), np.uint8), labels)


def test_hands_of_the_nyu_set_have_been_found_for_the_estimator():
    people = labelled(participant=np.arange(8))
    (note,) = notes_on({"test": {"source": "nyu_hand", "split": "test"}}, people, NOW)
    assert "true joints" in note
    within = {"source": "concatenation", "parts": [{"source": "folder"}, {"source": "nyu_hand"}]}
    assert notes_on({"test": within}, people, NOW) == [note]
    assert (
        notes_on({"test": {"source": "table"}, "real": {"source": "nyu_hand"}}, people, NOW) == []
    )


def test_images_that_nothing_groups_are_taken_for_independent():
    (note,) = notes_on({}, labelled(participant=np.zeros(8)), NOW)
    assert "participant, day or group" in note


def test_few_groups_are_named():
    one_person = labelled(participant=np.zeros(8), day=np.repeat([8, 9], 4))
    (note,) = notes_on({}, one_person, NOW)
    assert "2 days" in note


def test_people_come_before_days_and_days_before_other_groups():
    days, groups = np.arange(8) % 2, np.arange(8) % 4
    assert str(groups_of(labelled(participant=np.arange(8) % 3, day=days))) == "3 people"
    assert str(groups_of(labelled(participant=np.ones(8), day=days, group=groups))) == "2 days"
    assert str(groups_of(labelled(group=groups))) == "4 groups"
    assert str(groups_of(labelled(day=np.ones(8)))) == "8 images"


def test_a_run_without_a_test_set_needs_no_note_on_it():
    assert notes_on({"test": {"source": "nyu_hand"}}, None, NOW) == []


def test_images_that_are_in_the_real_set_too_are_counted():
    images = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1)
    test = Arrays(images, {"participant": np.arange(8)})
    assert notes_on({}, test, NOW, Arrays(images + 8)) == []
    (note,) = notes_on({}, test, NOW, Arrays(images[:1]))
    assert note.startswith("1 image of the test set is among the real images")
    (note,) = notes_on({}, test, NOW, Arrays(images + 5))
    assert note.startswith("3 images of the test set are among the real images")


def test_a_choice_on_images_that_lay_otherwise_is_told_where_they_lie_in_an_order():
    before, people = {"images": NOW["images"]}, labelled(participant=np.arange(8))
    generated = {"synthetic": {"source": "procedural_eyes"}, "real": {"source": "mpii_gaze"}}
    assert notes_on(generated, people, before) == []
    (note,) = notes_on(generated | {"real": {"source": "folder"}}, people, before)
    assert "--choose" in note
    assert notes_on(generated | {"real": {"source": "folder"}}, people, NOW) == []
