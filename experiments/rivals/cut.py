"""CUT (Park, Efros, Zhang, Zhu, ECCV 2020): one generator, whose patches must stay recognisable.

As in the authors' program: least squares, contrastive loss of weight 1 over 256 places a layer,
negatives from the same image, projections by two layers of 256, temperature 0.07, the same loss on real
images, which must pass unchanged ("identity"). Other than there: the refiner's networks, whose encoder
is taken to be the first half of its ResNet blocks, the map after each being a layer; a batch of several
images; the generator's update comes before the discriminator's, which so needs no images of its own.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, Key, PyTree

from experiments.rivals import losses
from experiments.rivals.setup import Batch, Images, Setup, Terms
from simgan_jax.losses import REAL, PerImage
from simgan_jax.models.refiner import ResidualBlock
from simgan_jax.state import Network

PATCHES, TEMPERATURE = 256, 0.07


class Projections(nn.Module):
    """Two layers for each map, with ReLU between: features at a place to a unit vector."""

    width: int = 256

    @nn.compact
    def __call__(self, maps: list[Float[Array, "b p f"]]) -> list[Float[Array, "b p k"]]:
        """Projects the features of every map by layers of its own."""
        found = []
        for features in maps:
            hidden = nn.relu(nn.Dense(self.width)(features))
            x = nn.Dense(self.width)(hidden)
            # Not by `norm`, whose gradient is NaN where ReLU leaves nothing.
            found.append(x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-12))
        return found


@struct.dataclass
class State:
    """The whole state.

    Attributes:
        key: never changes.
        generator: parameters of the "generator" and of the "projections", which learn together.
        discriminator: of real images from made ones.
    """

    key: Key[Array, ""]
    generator: Network
    discriminator: Network


def create(key: Key[Array, ""], setup: Setup) -> State:
    """The state before the first update."""
    run, generator, projections, discriminator = jax.random.split(key, 4)
    images = jnp.zeros((1, *setup.image_shape))
    params = {"generator": setup.generator.init(generator, images)["params"]}
    lines = [features[:, 0] for features in maps_of(params["generator"], images, setup)[1]]
    params["projections"] = Projections().init(projections, lines)["params"]
    judge = setup.discriminator.init(discriminator, images)["params"]
    return State(run, setup.network(params), setup.network(judge))


def step(state: State, batch: Batch, setup: Setup) -> tuple[State, Terms]:
    """One update of the generator with its projections, then of the discriminator.

    Args:
        state: before it.
        batch: "synthetic" and "real" images [b, H, W, C] in [-1, 1].
        setup: static under jit.
    """
    key = jax.random.fold_in(state.key, state.generator.updates)

    def of_generator(params):
        return loss_of_generator(params, state.discriminator.params, batch, key, setup)

    gradients, (made, terms) = jax.grad(of_generator, has_aux=True)(state.generator.params)
    generator = state.generator.update(gradients, setup.optimizer)

    def of_discriminator(params):
        return losses.discriminator(*setup.judge(params, batch["real"], made))

    loss, gradients = jax.value_and_grad(of_discriminator)(state.discriminator.params)
    discriminator = state.discriminator.update(gradients, setup.optimizer)
    return State(state.key, generator, discriminator), terms | {"discriminator": loss}


def loss_of_generator(
    params: PyTree, judge: PyTree, batch: Batch, key: Key[Array, ""], setup: Setup
) -> tuple[Float[Array, ""], tuple[Images, Terms]]:
    """Adversarial and contrastive losses; the images made of synthetic ones, and the terms."""
    images, count = batch["synthetic"], len(batch["synthetic"])
    if setup.identity:
        images = jnp.concatenate([images, batch["real"]])
    made, contrast = contrastive_loss(params, images, key, setup)
    terms = {
        "adversarial": losses.adversarial(setup.discriminate(judge, made[:count]), REAL).mean(),
        "contrast": contrast[:count].mean(),
    }
    if setup.identity:
        terms["identity"] = contrast[count:].mean()
    return terms["adversarial"] + contrast.mean(), (made[:count], terms)


def contrastive_loss(
    params: PyTree, images: Images, key: Key[Array, ""], setup: Setup
) -> tuple[Images, PerImage]:
    """What becomes of images, and how badly the patches of each are recognised, a mean over maps."""
    made, before = maps_of(params["generator"], images, setup)
    _, after = maps_of(params["generator"], made, setup)
    chosen = places(key, before)

    def project(maps):
        found = [flat(x)[:, where] for x, where in zip(maps, chosen, strict=True)]
        return Projections().apply({"params": params["projections"]}, found)

    keys = jax.lax.stop_gradient(project(before))
    found = [
        losses.patch_nce(own, others, TEMPERATURE)
        for own, others in zip(project(after), keys, strict=True)
    ]
    return made, sum(found) / len(found)


def maps_of(
    params: PyTree, images: Images, setup: Setup
) -> tuple[Images, list[Float[Array, "b h w f"]]]:
    """What the generator makes, and its maps after each ResNet block of the encoder."""
    made, state = setup.generator.apply(
        {"params": params},
        images,
        capture_intermediates=lambda module, _: isinstance(module, ResidualBlock),
        mutable=["intermediates"],
    )
    blocks, half = state["intermediates"], (setup.generator.blocks + 1) // 2
    return made, [blocks[f"block_{i}"]["__call__"][0] for i in range(half)]


def places(key: Key[Array, ""], maps: list[Float[Array, "b h w f"]]) -> list[Int[Array, "p"]]:
    """Places that are looked at in each map, all different, the same for all images of a batch."""
    counts = [flat(features).shape[1] for features in maps]
    return [
        jax.random.choice(own, count, (min(PATCHES, count),), replace=False)
        for own, count in zip(jax.random.split(key, len(maps)), counts, strict=True)
    ]


def flat(features: Float[Array, "b h w f"]) -> Float[Array, "b h*w f"]:
    """A map as a list of places."""
    return features.reshape(len(features), -1, features.shape[-1])


def generator_params(state: State) -> PyTree:
    """Of the generator from synthetic to real images."""
    return state.generator.params["generator"]
