"""Gaze directions as angles: vectors are (x right, y down, z away from the camera)."""

import numpy as np
from jaxtyping import Float

Vectors = Float[np.ndarray, "*n 3"]


def pitch_yaw(vectors: Vectors) -> Float[np.ndarray, "*n 2"]:
    """Pitch = asin(-y) (positive looks up) and yaw = atan2(-x, -z) of directions, in radians.

    Args:
        vectors: not zero; need not be of unit length.
    """
    x, y, z = np.moveaxis(normalize(vectors), -1, 0)
    return np.stack([np.arcsin(np.clip(-y, -1, 1)), np.arctan2(-x, -z)], -1)


def from_pitch_yaw(angles: Float[np.ndarray, "*n 2"]) -> Vectors:
    """Unit vectors of (pitch, yaw) in radians; the inverse of `pitch_yaw`."""
    pitch, yaw = np.moveaxis(np.asarray(angles), -1, 0)
    return np.stack(
        [-np.cos(pitch) * np.sin(yaw), -np.sin(pitch), -np.cos(pitch) * np.cos(yaw)], -1
    )


def angular_error(predicted: Vectors, target: Vectors) -> Float[np.ndarray, "*n"]:
    """Angle between directions in degrees, 0 to 180.

    By atan2 of cross and dot product: the arccosine of the usual formula loses half its digits at small
    angles and is NaN where rounding passes 1.

    Args:
        predicted: not zero; of any length.
        target: the same.
    """
    a, b = normalize(predicted), normalize(target)
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.degrees(np.arctan2(sine, (a * b).sum(-1)))


def signed_error(predicted: Vectors, target: Vectors) -> Float[np.ndarray, "*n 2"]:
    """(pitch, yaw) of the prediction minus the target's in degrees, yaw wrapped to [-180, 180)."""
    difference = np.degrees(pitch_yaw(predicted) - pitch_yaw(target))
    return (difference + 180) % 360 - 180


def normalize(vectors: Vectors) -> Vectors:
    """Vectors of length 1 in double precision."""
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
