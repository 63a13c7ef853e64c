"""Pictures of the report: examples over time, their labels, what the discriminator sees in them."""

import base64
import io
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Shaped
from markupsafe import Markup
from ml_collections import ConfigDict
from PIL import Image

from simgan_jax import data, ranges
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.losses import REFINED
from simgan_jax.reporting.run_folder import Run, number
from simgan_jax.reporting.units import TASKS
from simgan_jax.setup import Setup, make_setup
from simgan_jax.training.checkpoint import FOLDER, Checkpoints

# Bytes of example images, so that the page opens at once on a phone.
BUDGET = 1_500_000
# (examples, points in time) to show: the first choice that keeps within the budget.
LAYOUTS = ((8, 8), (8, 5), (8, 3), (6, 3), (4, 3), (4, 2), (2, 2))
# Larger images are shown reduced to this many pixels a side, and compressed with loss.
LARGEST_SIDE, LOSSLESS_SIDE = 256, 100
COLUMNS = 3  # of a sample grid: synthetic, refined, real
HEAT_MAPS = 8


class Samples(NamedTuple):
    """The sample grids, cut into images of the training size.

    Attributes:
        steps: ascending.
        synthetic: uint8 or uint16 [n, h, w, c].
        refined: [steps, n, h, w, c].
        real: [n, h, w, c].
    """

    steps: list[int]
    synthetic: Shaped[np.ndarray, "n h w c"]
    refined: Shaped[np.ndarray, "t n h w c"]
    real: Shaped[np.ndarray, "n h w c"]


def read_samples(run: Run, problems: list[str]) -> tuple[Samples | None, list[dict]]:
    """Cuts samples/*.png into images of the training size.

    Returns:
        The samples, or None and the grids as they are (step and data URI of the last few).
    """
    shape = tuple(int(number(run.config, "image", x) or 0) for x in ("height", "width", "channels"))
    cut, whole = {}, []
    for path in sorted((run.workdir / "samples").glob("*.png")):
        try:
            picture = image_files.read(path).pixels[0]
        except UserError as error:
            problems.append(str(error))
            continue
        step = int(path.stem) if path.stem.isdigit() else 0
        cells = ungrid(picture, shape)
        if cells is not None:
            cut[step] = cells
        else:
            whole.append({"step": step, "uri": data_uri(picture)})
    shapes = [cells.shape for cells in cut.values()]
    steps = sorted(step for step in cut if cut[step].shape == shapes[-1])
    if not steps:
        return None, whole[-3:]
    last = cut[steps[-1]]
    refined = np.stack([cut[step][:, 1] for step in steps])
    return Samples(steps, last[:, 0], refined, last[:, 2]), []


def ungrid(
    picture: Shaped[np.ndarray, "height width c"], shape: tuple[int, ...]
) -> Shaped[np.ndarray, "rows columns h w c"] | None:
    """Inverse of `image_files.grid` for `COLUMNS` columns; None if the sizes do not fit.

    Args:
        picture: of a grid.
        shape: height, width and channels of each of its images.
    """
    gap = image_files.GAP
    height, width, channels = shape
    if min(shape) < 1 or picture.shape[2] != channels:
        return None
    scale, rest = divmod(picture.shape[1] + gap - COLUMNS * gap, COLUMNS * width)
    rows, more = divmod(picture.shape[0] + gap, height * max(scale, 1) + gap)
    if rest or more or not scale or not rows:
        return None
    padded = np.pad(picture, ((0, gap), (0, gap), (0, 0)))
    cells = padded.reshape(rows, height * scale + gap, COLUMNS, width * scale + gap, channels)
    return cells.swapaxes(1, 2)[:, :, : height * scale : scale, : width * scale : scale]


def show_examples(
    samples: Samples, drawings: list[Markup], chosen: int | None = None
) -> dict[str, Any]:
    """Data URIs of the examples, as many as the budget allows, the most changed first.

    Args:
        samples: of the run.
        drawings: of the labels, or [].
        chosen: step that figures are of; the examples open at the sample nearest to it, or at the last.
    """
    size = np.mean([len(data_uri(x)) for x in samples.refined[-1]])
    # Every example comes t times refined, once synthetic, and twice real (under its heat map, too).
    fits = [(n, t) for n, t in LAYOUTS if size * n * (t + 4) < BUDGET]
    count, moments = fits[0] if fits else LAYOUTS[-1]
    picked = np.linspace(0, len(samples.steps) - 1, min(moments, len(samples.steps))).round()
    times = {int(t) for t in picked}
    last = len(samples.steps) - 1
    opened = last
    if chosen is not None:
        opened = min(range(last + 1), key=lambda t: abs(samples.steps[t] - chosen))
    times = sorted(times - {min(times, key=lambda t: abs(t - opened))} | {opened})
    height, width = samples.real.shape[1:3]
    changes = _changes(samples.synthetic, samples.refined[opened])
    order = np.argsort(-changes, kind="stable")[: min(count, len(samples.real))]
    return {
        "steps": [samples.steps[t] for t in times],
        "opened": times.index(opened),
        "rows": [
            {
                "synthetic": data_uri(samples.synthetic[i]),
                "refined": [data_uri(samples.refined[t, i]) for t in times],
                "real": data_uri(samples.real[i]),
                "drawing": drawings[i] if drawings else "",
            }
            for i in order
        ],
        "changes": changes[order].tolist(),
        "height": height,
        "width": width,
    }


def _changes(
    synthetic: Shaped[np.ndarray, "n h w c"], refined: Shaped[np.ndarray, "n h w c"]
) -> Float[np.ndarray, "n"]:
    """Mean absolute change of each image, of a range of 2."""
    before, after = (np.asarray(ranges.to_unit(x)) for x in (synthetic, refined))
    return np.abs(after - before).mean((1, 2, 3))


def overlays(run: Run, samples: Samples | None) -> list[Markup]:
    """The labels of the examples drawn as SVG, [] where the data is not at hand or has none."""
    spec = run.config.get("data", {}).get("synthetic", {})
    if samples is None or run.config.get("task") not in TASKS:
        return []
    if "count" in spec:  # made when asked for, picture by picture
        spec = spec | {"count": len(samples.synthetic)}
    try:
        arrays = data.load(spec)
    except (UserError, ImportError):
        return []
    count = len(samples.synthetic)
    if not np.array_equal(arrays.images[:count], samples.synthetic):
        return []
    labels = {name: np.asarray(label[:count], float) for name, label in arrays.labels.items()}
    drawings = [draw_labels({k: v[i] for k, v in labels.items()}) for i in range(count)]
    return drawings if all(drawings) else []


def draw_labels(labels: Mapping[str, np.ndarray]) -> Markup:
    """SVG shapes of one example's labels in pixel coordinates; "" if there are none to draw."""
    shapes = []
    if "iris_ellipse" in labels:
        x, y, a, b, angle = labels["iris_ellipse"]
        shapes.append(
            f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{a:.2f}" ry="{b:.2f}" '
            f'transform="rotate({math.degrees(angle):.1f} {x:.2f} {y:.2f})"/>'
        )
    if "lid" in labels:
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in labels["lid"])
        shapes.append(f'<polygon points="{points}"/>')
    if "pupil" in labels and "gaze" in labels:
        (x, y), (dx, dy) = labels["pupil"], 20 * labels["gaze"][:2]
        shapes.append(
            f'<line x1="{x:.2f}" y1="{y:.2f}" x2="{x + dx:.2f}" y2="{y + dy:.2f}"/>'
            f'<circle class="point" cx="{x:.2f}" cy="{y:.2f}" r="0.8"/>'
        )
    if "joints_uvd" in labels:
        shapes += [
            f'<circle class="point" cx="{u:.2f}" cy="{v:.2f}" r="2"/>'
            for u, v, _ in labels["joints_uvd"]
        ]
    return Markup("".join(shapes))


def heat_maps(run: Run, samples: Samples, problems: list[str]) -> dict[str, Any] | None:
    """What the newest discriminator sees in each patch of the refined and the real samples."""
    if not (run.workdir / FOLDER).is_dir():
        return None
    try:
        setup = make_setup(ConfigDict(run.config)).replace(local=True)
        state = Checkpoints(run.workdir).newest(setup)
    except (UserError, AttributeError, KeyError, TypeError, ValueError) as error:
        problems.append(f"No heat maps: {' '.join(str(error).split())}")
        return None
    if state is None:
        return None
    maps = {}
    for name, shown in (("refined", samples.refined[-1]), ("real", samples.real)):
        probability = patch_probability(state.discriminator.params, shown, setup)
        maps[name] = [
            {"image": data_uri(x), "heat": heat_uri(p), "mean": float(p.mean())}
            for x, p in zip(shown[:HEAT_MAPS], probability, strict=False)
        ]
    return {"maps": maps, "step": int(state.step), "patch": setup.discriminator.receptive_field}


def patch_probability(
    params: Any, shown: Shaped[np.ndarray, "n h w c"], setup: Setup
) -> Shaped[np.ndarray, "n i j"]:
    """P(refined) of every patch."""

    def probability(params, batch):
        logits = setup.discriminate(params, ranges.to_unit(batch))
        return jax.nn.softmax(logits)[..., REFINED]

    return np.asarray(jax.jit(probability)(params, shown))


def heat_uri(probability: Shaped[np.ndarray, "i j"]) -> str:
    """Transparent where undecided, blue where it looks real, orange where it looks refined."""
    side = (probability > 0.5)[..., None]
    colour = np.where(side, [230, 97, 0], [26, 133, 255])
    opacity = 255 * np.abs(2 * probability - 1)[..., None]
    picture = Image.fromarray(np.concatenate([colour, opacity], axis=-1).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return _uri("png", file.getvalue())


def data_uri(picture: Shaped[np.ndarray, "h w c"]) -> str:
    """An 8- or 16-bit image with 1 or 3 channels for the page, 8 bit there."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    file = io.BytesIO()
    if max(image.size) <= LOSSLESS_SIDE:
        image.save(file, "PNG", optimize=True)
        return _uri("png", file.getvalue())
    image.save(file, "WEBP", quality=85)
    return _uri("webp", file.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
