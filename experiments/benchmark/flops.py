"""Floating-point operations of convolutions and products, counted in the program as JAX traces it."""

import math
from collections.abc import Callable
from typing import Any

import jax


def count(function: Callable, *arguments: Any) -> int:
    """Operations of a call, multiplications and additions of convolutions and products alone.

    Exact where nothing is padded; a convolution's zero padding counts as data. Of the branches of a
    condition the cheapest counts, of a loop every pass.

    Args:
        function: to be traced.
        *arguments: arrays or their shapes.
    """
    return _of(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of(jaxpr: Any) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    name, parameters = equation.primitive.name, equation.params
    if name == "conv_general_dilated":
        _, kernel = (x.aval.shape for x in equation.invars)
        features = kernel[parameters["dimension_numbers"].rhs_spec[0]]
        taps = math.prod(kernel) // features
        # Between the values of a dilated image lie zeros.
        spread = math.prod(parameters["lhs_dilation"])
        return 2 * math.prod(equation.outvars[0].aval.shape) * taps // spread
    if name == "dot_general":
        contracted = parameters["dimension_numbers"][0][0]
        left = equation.invars[0].aval.shape
        inner = math.prod(left[axis] for axis in contracted)
        return 2 * math.prod(equation.outvars[0].aval.shape) * inner
    if name == "cond":
        return min(_of(branch.jaxpr) for branch in parameters["branches"])
    inner = sum(_of(getattr(x, "jaxpr", x)) for x in jax.tree.leaves(parameters) if _is_program(x))
    return inner * parameters.get("length", 1) if name == "scan" else inner


def _is_program(x: Any) -> bool:
    return hasattr(x, "eqns") or hasattr(getattr(x, "jaxpr", None), "eqns")
