"""What to bear in mind with the figures of an evaluation, in sentences that stand beside them."""

from collections.abc import Iterator, Mapping
from typing import Any

from simgan_jax.data import UNORDERED, Arrays
from simgan_jax.data.arrays import digests
from simgan_jax.errors import counted
from simgan_jax.evaluation.scores import test_groups

# Fewer groups than this say little of others.
FEW = 6
# Of data sources that tests are made of.
TEST_SOURCES = {
    "nyu_hand": "The test images are cut about their true joints, as all NYU images here: the hand has "
    "been found for the estimator. With crops of a detector, expect more error."
}


def notes_on(
    sets: Mapping[str, Any],
    test: Arrays | None,
    choice: Mapping[str, Any],
    real: Arrays | None = None,
) -> list[str]:
    """The notes on a run's evaluation.

    Args:
        sets: config.data.
        test: the test set; None if there is none.
        real: the real images of training.
        choice: chosen.json.
    """
    notes = []
    if sets.get("histogram_matching"):
        notes.append(
            "Renderings get the grey values of real images before they are refined: how labels move "
            "and what is painted is measured from there, realism and errors from the renderings."
        )
    ordered = {sets[x].get("source") for x in ("synthetic", "real") if x in sets} - set(UNORDERED)
    if "images" not in choice or (ordered and not choice.get("mixed")):
        notes.append(
            "An earlier version has chosen the checkpoint, on images that realism and label shift are "
            "measured on too: they flatter it. --choose chooses anew."
        )
    if test is None:
        return notes
    groups = test_groups(test)
    if groups.kind == "images":
        notes.append(
            "Intervals over test images take them for independent. Where many show one person or one "
            "recording, give the test set a label participant, day or group."
        )
    elif groups.count < FEW:
        notes.append(f"The test set holds {groups}: intervals over so few are rough.")
    if real is not None and (known := len(set(digests(test.images)) & set(digests(real.images)))):
        notes.append(
            f"{counted(known, 'image')} of the test set {'is' if known == 1 else 'are'} among the real "
            "images that the refiner has seen, without labels: on new ones it may do worse."
        )
    return notes + [TEST_SOURCES[x] for x in sources(sets.get("test", {})) if x in TEST_SOURCES]


def sources(spec: Any) -> Iterator[str]:
    """The data sources that a specification names, also within others."""
    if isinstance(spec, Mapping):
        if isinstance(spec.get("source"), str):
            yield spec["source"]
        spec = spec.values()
    elif not isinstance(spec, list | tuple):
        return
    for part in spec:
        yield from sources(part)
