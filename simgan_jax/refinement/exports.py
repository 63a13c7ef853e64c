"""Writes a refiner as a file for other programs, checks the file against the model, and shows its use.

What is exported maps images in [-1, 1] to images in [-1, 1], float32 [b, h, w, c]; a refiner with noise
takes N(0, 1) noise [b, h, w, n] as its second input. Stablehlo and ONNX hold the network for any batch
and size, npz and safetensors its weights alone.
"""

import os
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export
from jaxtyping import Float
from rich.console import Console

from simgan_jax import data
from simgan_jax.errors import UserError
from simgan_jax.io.atomic import replacing
from simgan_jax.io.image_files import luminance
from simgan_jax.ranges import to_unit
from simgan_jax.refinement import weights
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.refinement.refiner import Refine

PLATFORMS = ("cpu", "cuda", "tpu")
CHECKED_IMAGES = 8
# Float32 sums in another order differ by about 1e-6; bfloat16 has 8 bits.
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}
Inputs = tuple[Float[np.ndarray, "b h w _"], ...]
Exported = Callable[..., Float[np.ndarray, "b h w c"]]
# Python that loads each kind of file; `snippet` fills in what depends on the refiner.
SNIPPETS = {
    "stablehlo": """
        import jax, numpy as np
        from jax import export

        with open("{path}", "rb") as file:
            refiner = export.deserialize(bytearray(file.read()))
        {first}x = images.astype(np.float32) / {half} - 1  # {dtype} [N, H, W, {channels}] to [-1, 1]
        {noise}refined = np.asarray(refiner.call({inputs}))
        refined = np.round((refined + 1) * {half}).astype(np.{dtype})
        """,
    "onnx": """
        import numpy as np, onnxruntime

        session = onnxruntime.InferenceSession("{path}", providers=["CPUExecutionProvider"])
        {first}x = images.astype(np.float32) / {half} - 1  # {dtype} [N, H, W, {channels}] to [-1, 1]
        {noise}names = [i.name for i in session.get_inputs()]
        (refined,) = session.run(None, dict(zip(names, [{inputs}])))
        refined = np.round((refined + 1) * {half}).astype(np.{dtype})
        """,
    "npz": """
        import numpy as np

        p = np.load("{path}")


        def conv(x, name):
            kernel = p[name + "/kernel"]  # [height, width, in, out]
            x = np.pad(x, [(0, 0), *[2 * (len(kernel) // 2,)] * 2, (0, 0)], "{padding}")
            windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))
            return np.tensordot(windows, kernel, [(4, 5, 3), (0, 1, 2)]) + p[name + "/bias"]


        {first}x = images / {half} - 1  # {dtype} [N, H, W, {channels}] to [-1, 1]
        {noise}{start}x = conv({joined}, "stem").clip(0)
        for i in range({blocks}):
            x = (x + conv(conv(x, f"block_{{i}}/Conv_0").clip(0), f"block_{{i}}/Conv_1")).clip(0)
        refined = np.round(({head} + 1) * {half}).astype(np.{dtype})
        {background}""",
    "safetensors": """
        import json
        from safetensors import safe_open
        from simgan_jax import load_refiner

        refined = load_refiner("{path}")(images)  # {dtype} [N, H, W, C]

        with safe_open("{path}", "numpy") as file:  # or, without this package:
            settings = json.loads(file.metadata()["about"])["config"]["refiner"]
            kernel = file.get_tensor("stem/kernel")  # [height, width, in, out]
        """,
}

# The first, a folder to share, is made of one of the others by reporting/sharing.py.
HUB = "hub"
FORMATS = (HUB, *SNIPPETS)


def export(
    workdir: str | Path,
    form: str,
    output: str | Path,
    step: int | None = None,
    source: str = "",
) -> float:
    """Writes a run's refiner to a file that was loaded and compared first.

    Args:
        workdir: of the run, or a file of weights.
        form: stablehlo, onnx, npz or safetensors.
        output: file to write.
        step: of the checkpoint; by default the chosen one, else the newest.
        source: folder of images to compare on; the run's synthetic images by default, and embedded
            eyes where those are not at hand.

    Returns:
        Largest absolute difference from the model; images span [-1, 1].

    Raises:
        UserError: no run, unknown format, missing package, output that cannot be written, or a
            difference beyond rounding.
    """
    if form not in SNIPPETS:
        raise UserError(f"--format={form}: unknown; one of {', '.join(FORMATS)}")
    output = Path(output).expanduser()
    if form in ("npz", "safetensors") and output.suffix != f".{form}":
        raise UserError(f"--output={output}: for --format={form} the name must end in .{form}")
    if output.is_dir():
        raise UserError(f"--output={output}: is a folder; name a file")
    refiner = load_refiner(workdir, step)
    images = sample_images(refiner, source)
    with replacing(output) as file:
        exported = WRITERS[form](refiner, file)
        error = largest_difference(refiner, exported, images)
        tolerance = TOLERANCE[jnp.dtype(refiner.refiner.dtype).name]
        if not error <= tolerance:
            raise UserError(
                f"{output}: not written: it differs from the model by {error:.2g}, more than "
                f"{tolerance:.0e}; try another version of the packages, or another format"
            )
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{output}: differs from the model by {error:.1e} at most (images span 2) on "
        f"{len(images)} images; to load it:\n\n{snippet(refiner, form, output)}",
        markup=False,
    )
    return error


def snippet(refiner: Refine, form: str, output: str | Path) -> str:
    """Python that loads a file and refines integer `images` [N, H, W, C] to `refined`.

    What an npz file needs is NumPy alone; it is the network written out.
    """
    dtype, network = refiner.config.image.dtype, refiner.refiner
    half, channels = np.iinfo(dtype).max / 2, network.noise_channels
    noise = f"noise = np.random.standard_normal((*x.shape[:3], {channels})).astype(np.float32)\n"
    first = "# images with the grey values of real ones: see docs/export.md, or Refine.match\n"
    keep = f"refined = np.where(images / {half} - 1 == {network.background}, images, refined)"
    return (
        textwrap.dedent(SNIPPETS[form])
        .format(
            path=output,
            first="" if refiner.histograms is None else first,
            dtype=dtype,
            half=half,
            channels=refiner.channels,
            noise=noise if channels else "",
            inputs="x, noise" if channels else "x",
            joined="np.concatenate([x, noise], axis=3)" if channels else "x",
            padding={"REFLECT": "reflect", "SAME": "constant"}[network.padding],
            blocks=network.blocks,
            start="start = x\n" if network.residual else "",
            head='np.clip(start + conv(x, "head"), -1, 1)'
            if network.residual
            else 'np.tanh(conv(x, "head"))',
            background="" if network.background is None else keep,
        )
        .strip()
    )


def sample_images(refiner: Refine, source: str = "") -> Float[np.ndarray, "n h w c"]:
    """A few images in [-1, 1] with the refiner's channels, to compare on; see `export`."""
    config = refiner.config
    if source:
        size = {"height": config.image.height, "width": config.image.width, "fit": "cover"}
        path = os.path.expanduser(source)
        specs = [{"source": "folder", "path": path, "count": CHECKED_IMAGES, **size}]
    else:
        size = {"height": config.image.height, "width": config.image.width}
        eyes = {"source": "procedural_eyes", "count": CHECKED_IMAGES, **size}
        specs = [config.data.synthetic.to_dict() | {"count": CHECKED_IMAGES}, eyes]
    for spec in specs:
        try:
            images = data.load(spec).images[:CHECKED_IMAGES]
            break
        except UserError:
            if spec is specs[-1]:
                raise
    if images.shape[3] != refiner.channels:
        images = luminance(images) if refiner.channels == 1 else images.repeat(3, axis=3)
    return np.asarray(to_unit(images))


def largest_difference(
    refiner: Refine, exported: Exported, images: Float[np.ndarray, "n h w c"]
) -> float:
    """Of an exported refiner from the model: for all images, for one, and for one that is larger."""
    larger = np.pad(images[:1], ((0, 0), (0, 13), (0, 22), (0, 0)), mode="symmetric")
    model = jax.jit(partial(_apply, refiner))
    differences = []
    for batch in (images, images[:1], larger):
        inputs = (batch, *_noise(refiner, batch.shape[:3]))
        differences += [np.abs(np.asarray(model(*inputs)) - exported(*inputs)).max()]
    return float(np.max(differences))


def _apply(refiner: Refine, *inputs: Float[jax.Array, "b h w _"]) -> Float[jax.Array, "b h w c"]:
    return refiner.refiner.apply({"params": refiner.params}, *inputs)


def _noise(refiner: Refine, shape: tuple[int, ...]) -> Inputs:
    channels = refiner.refiner.noise_channels
    random = np.random.default_rng(0)
    return (random.standard_normal((*shape, channels), np.float32),) if channels else ()


def _shapes(refiner: Refine) -> list[jax.ShapeDtypeStruct]:
    """Inputs of any batch and any size that padding by reflection can stand."""
    least = refiner.refiner.kernel
    b, h, w = jax_export.symbolic_shape("b, h, w", constraints=[f"h >= {least}", f"w >= {least}"])
    last = [refiner.channels, refiner.refiner.noise_channels]
    return [jax.ShapeDtypeStruct((b, h, w, c), jnp.float32) for c in last if c]


def _write_stablehlo(refiner: Refine, file: Path) -> Exported:
    program = jax.jit(partial(_apply, refiner))
    exported = jax_export.export(program, platforms=PLATFORMS)(*_shapes(refiner))
    file.write_bytes(exported.serialize())
    return jax_export.deserialize(bytearray(file.read_bytes())).call


def _write_onnx(refiner: Refine, file: Path) -> Exported:
    try:
        import jax2onnx
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"--format=onnx needs {error.name}: pip install 'simgan_jax[onnx]', best in an environment "
            "of its own"
        ) from error
    shapes = _shapes(refiner)
    model = jax2onnx.to_onnx(
        partial(_apply, refiner),
        shapes,
        model_name="refiner",
        input_names=["images", "noise"][: len(shapes)],
        output_names=["refined"],
    )
    file.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    return lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


def _write_weights(refiner: Refine, file: Path) -> Exported:
    weights.write(file, refiner.config, refiner.params, refiner.step, refiner.histograms)
    return jax.jit(partial(_apply, load_refiner(file)))


WRITERS = {
    "stablehlo": _write_stablehlo,
    "onnx": _write_onnx,
    "npz": _write_weights,
    "safetensors": _write_weights,
}
