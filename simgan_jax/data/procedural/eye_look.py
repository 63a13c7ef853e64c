"""What an eye looks like and how it is lit: everything that a picture shows beside its geometry."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Look:
    """What N eyes look like and how they are lit. Colours are linear RGB, lengths mm.

    Attributes:
        skin, iris, sclera, hair: colours.
        iris_radius, pupil_radius: of the discs behind the cornea.
        limbus: darkness of the ring around the iris, 0..1.
        iris_waves: phases of the pattern of the iris.
        crease: height of the fold over the margin of the upper lid; crease_depth: its strength.
        bag: strength of the fold under the lower lid.
        liner: darkness of the margin of the upper lid; lashes: darkness; lash_length: length.
        brow_height: over the line of the corners; brow_width: half its width; brow: density 0..1.
        light: unit vectors towards the main light; key: its strength; ambient: of all other light.
        shade: strength of the shadow that the face throws on itself; shade_edge: where it begins
            along the direction to the light.
        falloff: relative gain of the main light per mm towards it.
        glints: unit vectors towards what is mirrored on the cornea; glint: strengths; glint_size:
            radius seen from the eye, rad.
        mottle, pores, veins: contrast of skin in patches, of fine grain, of the white of the eye.
    """

    skin: Float[np.ndarray, "n 3"]
    iris: Float[np.ndarray, "n 3"]
    sclera: Float[np.ndarray, "n 3"]
    hair: Float[np.ndarray, "n 3"]
    iris_radius: Float[np.ndarray, "n"]
    pupil_radius: Float[np.ndarray, "n"]
    limbus: Float[np.ndarray, "n"]
    iris_waves: Float[np.ndarray, "n 3"]
    crease: Float[np.ndarray, "n"]
    crease_depth: Float[np.ndarray, "n"]
    bag: Float[np.ndarray, "n"]
    liner: Float[np.ndarray, "n"]
    lashes: Float[np.ndarray, "n"]
    lash_length: Float[np.ndarray, "n"]
    brow_height: Float[np.ndarray, "n"]
    brow_width: Float[np.ndarray, "n"]
    brow: Float[np.ndarray, "n"]
    light: Float[np.ndarray, "n 3"]
    key: Float[np.ndarray, "n"]
    ambient: Float[np.ndarray, "n"]
    shade: Float[np.ndarray, "n"]
    shade_edge: Float[np.ndarray, "n"]
    falloff: Float[np.ndarray, "n"]
    glints: Float[np.ndarray, "n 2 3"]
    glint: Float[np.ndarray, "n 2"]
    glint_size: Float[np.ndarray, "n 2"]
    mottle: Float[np.ndarray, "n"]
    pores: Float[np.ndarray, "n"]
    veins: Float[np.ndarray, "n"]
