"""CUT (Park, Efros, Zhang, Zhu, ECCV 2020): one generator, whose patches must stay recognisable.

As in the authors' program: least squares, contrastive loss of weight 1 over 256 places a layer,
negatives from the same image, projections by two layers of 256, temperature 0.07, the same loss on real
images, which must pass unchanged ("identity"). Other than there: the refiner's networks, whose encoder
is taken to be the first half of its ResNet blocks, the map after each being a layer; a batch of several
images; the generator's update comes before the discriminator's, which so needs no images of its own.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from experiments.rivals import losses
from experiments.rivals.setup import Batch, Images, Setup, Terms
from simgan_jax.losses import REAL, PerImage
from simgan_jax.models.projections import Projections
from simgan_jax.models.refiner import refine_with_maps
from simgan_jax.psi import Contrast
from simgan_jax.state import Network

CONTRAST = Contrast(Projections(), places=256, temperature=0.07)


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
    maps = refine_with_maps(setup.generator, params["generator"], images)[1]
    params["projections"] = CONTRAST.init(projections, maps)
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
    made, before = refine_with_maps(setup.generator, params["generator"], images)
    _, after = refine_with_maps(setup.generator, params["generator"], made)
    return made, CONTRAST(params["projections"], before, after, key)


def generator_params(state: State) -> PyTree:
    """Of the generator from synthetic to real images."""
    return state.generator.params["generator"]
