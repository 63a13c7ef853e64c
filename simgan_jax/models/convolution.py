"""Convolutions whose gradients are fast on CPU too.

XLA's CPU compiler has fast convolutions for channels-last images and kernels alone, and rewrites others
to that form only outside of loops: gradients inside a `lax.scan` take up to 30 times as long
(github.com/jax-ml/jax/issues/12868). Here CPU gradients are written in that form. Other
platforms get XLA's own.
"""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

AXES = ("NHWC", "HWIO", "NHWC")
# Pixels that a kernel's gradient sums at a time: two eyes with a margin of one. More may fall out of
# the CPU's cache: for 64 to 64 features 100 GFLOP/s a core at 2,000 and 4,000 pixels, 70 at 8,000, 30
# at 16,000, on one CPU; on another with more cache no more than 100 either.
PIXELS = 4400

Pair = tuple[int, int]


def convolve(
    images: Float[Array, "n h w c"],
    kernel: Float[Array, "i j c d"],
    window_strides: Sequence[int],
    padding: str | Sequence[Pair],
    lhs_dilation: Sequence[int] = (1, 1),
    rhs_dilation: Sequence[int] = (1, 1),
    dimension_numbers: lax.ConvDimensionNumbers | None = None,
    feature_group_count: int = 1,
    precision: lax.PrecisionLike = None,
    by_padding: bool = True,
) -> Float[Array, "n h2 w2 d"]:
    """`lax.conv_general_dilated` for images; the signature is what `nn.Conv` expects.

    Without padding it goes by way of zero padding on CPU, unless `by_padding` is false.

    Raises:
        NotImplementedError: dilation, groups or a precision of its own.
    """
    del dimension_numbers  # nn.Conv's are AXES.
    plain = (*lhs_dilation, *rhs_dilation, feature_group_count) == (1,) * 5
    if not plain or precision is not None:
        raise NotImplementedError("dilated or grouped convolution, or a precision of its own")
    strides = tuple(window_strides)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], strides, padding)
    padding = tuple(map(tuple, padding))
    whole = partial(_convolve, strides=strides, padding=padding)
    if not by_padding or strides != (1, 1) or padding != ((0, 0), (0, 0)):
        return whole(images, kernel)
    return lax.platform_dependent(images, kernel, cpu=_padded_then_cropped, default=whole)


def _padded_then_cropped(images, kernel):
    """Without padding by way of zero padding, for which XLA's CPU code is a third faster."""
    margins = [((taps - 1) // 2, taps // 2) for taps in kernel.shape[:2]]
    padded = _convolve(images, kernel, (1, 1), tuple(margins))
    (top, bottom), (left, right) = margins
    height, width = padded.shape[1:3]
    return padded[:, top : height - bottom, left : width - right]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(images, kernel, strides: Pair, padding: tuple[Pair, Pair]):
    return lax.conv_general_dilated(images, kernel, strides, padding, dimension_numbers=AXES)


def _forward(images, kernel, strides, padding):
    return _convolve(images, kernel, strides, padding), (images, kernel)


def _backward(strides, padding, saved, gradient):
    """Gradients of images and kernel."""

    def by_xla(images, kernel, gradient):
        convolution = partial(
            lax.conv_general_dilated,
            window_strides=strides,
            padding=padding,
            dimension_numbers=AXES,
        )
        return jax.vjp(convolution, images, kernel)[1](gradient)

    def channels_last(images, kernel, gradient):
        return (
            _image_gradient(images, kernel, gradient, strides, padding),
            _kernel_gradient(images, kernel, gradient, strides, padding),
        )

    return lax.platform_dependent(*saved, gradient, cpu=channels_last, default=by_xla)


Conv = partial(nn.Conv, conv_general_dilated=convolve)
# For few features, as of the gaze estimator, the way by padding is a third slower.
UnpaddedConv = partial(
    nn.Conv, padding="VALID", conv_general_dilated=partial(convolve, by_padding=False)
)
_convolve.defvjp(_forward, _backward)


def _image_gradient(images, kernel, gradient, strides, padding):
    """The gradient, spread out by the strides, convolved with the kernel turned by 180 degrees."""
    margins = [
        (taps - 1 - low, size - spread + low)
        for size, taps, spread, (low, _) in _sizes(images, kernel, gradient, strides, padding)
    ]
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    if strides == (1, 1):
        return convolve(gradient, turned, strides, margins)
    return lax.conv_general_dilated(
        gradient, turned, (1, 1), margins, lhs_dilation=strides, dimension_numbers=AXES
    )


def _kernel_gradient(images, kernel, gradient, strides, padding):
    """The images convolved with the gradient: features for images, images for features."""
    margins = [
        (low, spread + taps - 1 - size - low)
        for size, taps, spread, (low, _) in _sizes(images, kernel, gradient, strides, padding)
    ]

    def add(total, part):
        # Without the barrier XLA would fold the transpositions into the convolution.
        swapped = lax.optimization_barrier(
            (part[0].transpose(3, 1, 2, 0), part[1].transpose(1, 2, 0, 3))
        )
        change = lax.conv_general_dilated(
            *swapped,
            (1, 1),
            margins,
            rhs_dilation=strides,
            dimension_numbers=AXES,
            preferred_element_type=total.dtype,
        )
        return total + change.transpose(1, 2, 0, 3), None

    number, height, width, _ = gradient.shape
    parts = next(
        n
        for n in range(1, number + 1)
        if n == number or (number % n == 0 and number // n * height * width <= PIXELS)
    )
    rows = [x.reshape(parts, -1, *x.shape[1:]) for x in (images, gradient)]
    # bfloat16 would lose what single parts add.
    zero = jnp.zeros(kernel.shape, jnp.promote_types(kernel.dtype, jnp.float32))
    return lax.scan(add, zero, rows)[0].astype(kernel.dtype)


def _sizes(images, kernel, gradient, strides, padding):
    """For height and width: image, kernel, gradient spread out by the stride, padding."""
    spread = [(g - 1) * s + 1 for g, s in zip(gradient.shape[1:3], strides, strict=True)]
    return zip(images.shape[1:3], kernel.shape[:2], spread, padding, strict=True)
