"""Ways to change the bytes of a file."""

import numpy as np


def flipped(content: bytes, rng: np.random.Generator, bits: int = 1) -> bytes:
    """The same with some bits changed."""
    changed = bytearray(content)
    for _ in range(bits if changed else 0):
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """Its beginning."""
    return content[: rng.integers(max(1, len(content)))]


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """Bits flipped, a stretch left out, doubled or overwritten, extreme numbers, or cut short."""
    kind = rng.integers(7)
    if kind == 0 or not content:
        return cut(content, rng)
    if kind in (1, 2):
        return flipped(content, rng, bits=int(rng.choice([1, 1, 3, 30])))
    # Headers decide most: half of the changes are in the first bytes.
    reach = len(content) if rng.random() < 0.5 else min(len(content), 200)
    start = int(rng.integers(reach))
    end = start + int(rng.integers(1, 9 if rng.random() < 0.7 else 300))
    if kind == 3:
        return content[:start] + content[end:]
    if kind == 4:
        return content[:end] + content[start:]
    if kind == 5:
        extreme = (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0")
        filler = extreme[rng.integers(len(extreme))]
    else:
        filler = rng.bytes(end - start)
    return content[:start] + filler + content[start + len(filler) :]
