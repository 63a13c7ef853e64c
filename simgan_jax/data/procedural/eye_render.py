"""A picture of the embedded eye: from a pose and a look to linear light and masks."""

import numpy as np
from jaxtyping import Float

from simgan_jax.data.procedural import face_render
from simgan_jax.data.procedural.eye_geometry import Pose, View
from simgan_jax.data.procedural.eye_look import Look
from simgan_jax.data.procedural.eyeball_render import shade_eyeball
from simgan_jax.data.procedural.shading import bell, cover, per_image, smooth_noise

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def render(
    pose: Pose, look: Look, view: View, channels: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n h w c"], Float[np.ndarray, "n h w"]]:
    """Renders eyes.

    Args:
        pose: geometry.
        look: colours, light, surface.
        view: camera and size of the images.
        channels: 1 (luma) or 3 (RGB).
        rng: for skin and vein patterns.

    Returns:
        Linear light (1 is diffuse white in full light, highlights exceed it) and the share of every
        pixel that shows iris or pupil.
    """
    count = len(pose.axis)
    rays = view.rays()
    grain = smooth_noise(rng, count, 35, 55, view)
    patches = smooth_noise(rng, count, 6, 9, view)
    face = face_render.see_face(rays, pose, view.pixel)
    light = face_render.light_face(face, pose, look)
    eye = shade_eyeball(rays, face, light, pose, look, view.pixel, grain)
    skin_light = face_render.light_skin(face, light, look, view.pixel)
    skin_light *= np.maximum(
        1 + per_image(look.mottle) * patches + per_image(look.pores) * grain, 0.2
    )
    rim = bell(face.above_lower + 0.5, 0.6) * cover(face.end, view.pixel)  # wet, of the lower lid
    lashes = face_render.cover_by_lashes(face, look, view.pixel)
    brow = face_render.cover_by_brow(face, look, view.pixel, grain)

    image = np.empty((count, view.height, view.width, channels), np.float32)
    pink = look.skin * np.array([1.0, 0.72, 0.68], np.float32) + 0.03
    for c in range(channels):
        skin, iris, white, hair, wet = (
            per_image(v @ LUMA if channels == 1 else v[:, c])
            for v in (look.skin, look.iris, look.sclera, look.hair, pink)
        )
        inner = white * eye.white
        inner += (1.1 * wet - inner) * 0.8 * eye.caruncle
        inner += (iris * eye.iris - inner) * eye.iris_share
        inner = inner * eye.light + eye.gleam
        outer = (skin + (wet - skin) * rim) * skin_light
        outer += (hair * skin_light - outer) * brow
        shown = outer + (inner - outer) * face.aperture
        shown += (0.6 * hair * light.ambient - shown) * lashes
        image[..., c] = np.maximum(shown, 0)
    return image, face.aperture * eye.mask
