"""Small networks that a contrastive loss compares features by."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Projections(nn.Module):
    """Two layers for each map, with ReLU between: features at a place to a unit vector.

    Attributes:
        width: of both layers; 256 in CUT (Park 2020).
    """

    width: int = 256

    @nn.compact
    def __call__(self, maps: list[Float[Array, "b _ _"]]) -> list[Float[Array, "b _ k"]]:
        """Projects the features of every map by layers of its own."""
        found = []
        for features in maps:
            hidden = nn.relu(nn.Dense(self.width)(features))
            x = nn.Dense(self.width)(hidden)
            # Not by `norm`, whose gradient is NaN where ReLU leaves nothing.
            found.append(x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-12))
        return found
