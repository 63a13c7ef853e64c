"""Algorithm 1 of the paper as pure functions: `step(state, batch, setup) -> (state, metrics)`.

The functions are undecorated; call them plainly, or under JAX's transformations. On several devices
(`setup.axis_name`, see `training.devices`) gradients and metrics are means over all of them.
`state.step` counts calls: one for a step of pre-training, one for an iteration of Algorithm 1, however
many updates it holds.

A batch is a dict of images, uint8 or uint16 in full range or floats in [-1, 1]:
    synthetic  [b, H, W, C]; for `train_step` [K_g + K_d, b, H, W, C]
    real       [b, H, W, C]; for `train_step` [K_d, b, H, W, C]; not for `refiner_step`
    mask       optional, like synthetic without C: 0 outside, full range inside the pixels that carry
               the label; `setup.mask_weights` weighs their self-regularisation
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Key, PyTree, Shaped

from simgan_jax import history, losses
from simgan_jax.gradients import Metrics, mean_gradients, scan_mean, split
from simgan_jax.losses import REAL, REFINED
from simgan_jax.ranges import to_unit
from simgan_jax.setup import Setup
from simgan_jax.state import DISCRIMINATOR, PLACES, REFINER, TrainState, sample_noise

Batch = dict[str, Shaped[Array, "..."]]


class MiniBatches(NamedTuple):
    """What the updates of an iteration see, one leading row for each.

    Attributes:
        refiner: synthetic [K_g, b, H, W, C] and perhaps mask.
        discriminator: synthetic [K_d, b, H, W, C], of which with a history the first b/2 are used and
            need be there; real [K_d, b, H, W, C].
    """

    refiner: Batch
    discriminator: Batch


def train_step(state: TrainState, batch: Batch, setup: Setup) -> tuple[TrainState, Metrics]:
    """Algorithm 1, lines 2-11: K_g updates of the refiner, then K_d of the discriminator.

    Args:
        state: of the run.
        batch: synthetic [K_g + K_d, b, H, W, C], real [K_d, b, H, W, C] and perhaps mask.
        setup: from `make_setup`; static under jit.

    Returns:
        The next state, and the metrics of both kinds of update, each a mean over its updates.

    Raises:
        ValueError: a leading axis is not as above.
    """
    updates = setup.refiner_updates
    wanted = {
        "synthetic": updates + setup.discriminator_updates,
        "real": setup.discriminator_updates,
    }
    for name, count in wanted.items():
        if len(batch[name]) != count:
            raise ValueError(f"batch[{name!r}] has {len(batch[name])} leading rows, not {count}")
    for_refiner = {name: x[:updates] for name, x in batch.items() if name != "real"}
    for_discriminator = {"synthetic": batch["synthetic"][updates:], "real": batch["real"]}
    return iteration(state, MiniBatches(for_refiner, for_discriminator), setup)


def iteration(state: TrainState, batches: MiniBatches, setup: Setup) -> tuple[TrainState, Metrics]:
    """`train_step` on batches that are dealt out already."""
    step = state.step
    state, refiner_metrics = repeat(refiner_step, state, batches.refiner, setup)
    state, discriminator_metrics = repeat(discriminator_step, state, batches.discriminator, setup)
    return state.replace(step=step + 1), refiner_metrics | discriminator_metrics


def pretrain_refiner_step(
    state: TrainState, batch: Batch, setup: Setup
) -> tuple[TrainState, Metrics]:
    """One update of the refiner by self-regularisation alone (section 3.1: the first 1,000 steps)."""
    return refiner_step(state, batch, setup, adversarial=False)


def refiner_step(
    state: TrainState, batch: Batch, setup: Setup, adversarial: bool = True
) -> tuple[TrainState, Metrics]:
    """Algorithm 1, lines 3-6: one update of the refiner by equation 1.

    Args:
        state: of the run.
        batch: synthetic [b, H, W, C] and perhaps mask [b, H, W].
        setup: from `make_setup`.
        adversarial: whether the discriminator has a say.
    """
    key = step_key(state, REFINER, setup)
    synthetic = to_unit(batch["synthetic"])
    examples = {"synthetic": synthetic, "noise": sample_noise(setup, key, synthetic)}
    if "mask" in batch:
        examples["mask"] = batch["mask"]

    def loss(params, part):
        refiner, projections = params
        refined, maps = setup.refine_with_maps(refiner, part["synthetic"], part["noise"])
        regularization = losses.self_regularization(
            setup.psi(refined),
            setup.psi(part["synthetic"]),
            self_regularization_weight(part, setup),
        )
        terms = {
            "self_regularization": regularization,
            "change": losses.self_regularization(refined, part["synthetic"]),
        }
        if setup.reading:
            before, after = (
                setup.reading(state.estimators, x) for x in (part["synthetic"], refined)
            )
            terms["reading"] = losses.reading_shift(after, before)
            held = state.reading_weight
            weight = setup.reading_weight if held is None else held
            regularization += weight * terms["reading"]
        if setup.contrast:
            _, after = setup.refine_with_maps(refiner, refined, part["noise"])
            places = jax.random.fold_in(key, PLACES)
            terms["contrast"] = setup.contrast(projections, maps, after, places)
            regularization += setup.contrast_weight * terms["contrast"]
        deceived = {}
        if adversarial:
            judged = setup.discriminate_each(state.discriminator.params, refined)
            refiner_side = losses.ADVERSARIAL[setup.adversarial].refiner
            deceived = {f"adversarial{x}": refiner_side(one, REAL) for x, one in judged.items()}
        total = losses.refiner_loss(
            _total(deceived.values()), regularization, lambda_=state.self_regularization
        )
        return total.mean(), terms | deceived | {"loss": total}

    projections = state.projections
    params = (state.refiner.params, projections and projections.params)
    (gradients, of_projections), metrics = mean_gradients(loss, params, examples, setup)
    refiner = state.refiner.update(gradients, setup.refiner_optimizer)
    if projections:
        projections = projections.update(of_projections, setup.refiner_optimizer)
    # Divided by what Adam divides by, so that nothing is left of the parameters before the first step.
    share = (1 - setup.ema) / (1 - setup.ema**refiner.updates)
    ema = state.ema and optax.incremental_update(refiner.params, state.ema, share)
    state = state.replace(step=state.step + 1, refiner=refiner, ema=ema, projections=projections)
    return state, {f"refiner/{name}": value for name, value in metrics.items()}


def discriminator_step(state: TrainState, batch: Batch, setup: Setup) -> tuple[TrainState, Metrics]:
    """Algorithm 1, lines 7-10: one update of the discriminator by equation 2, then of the history.

    Half of its refined images are refined now, half are drawn from the history (section 2.3); while
    the history holds fewer than that half, the new ones count twice.

    Args:
        state: of the run.
        batch: synthetic and real [b, H, W, C]; with a history the first b/2 synthetic ones are used.
        setup: from `make_setup`.
    """
    noise_key, pick_key, replace_key = jax.random.split(step_key(state, DISCRIMINATOR, setup), 3)
    number = newly_refined(len(batch["real"]), setup)
    synthetic = to_unit(batch["synthetic"][:number])
    noise = sample_noise(setup, noise_key, synthetic)
    now = lax.stop_gradient(refine_in_parts(state.refiner.params, synthetic, noise, setup))
    examples = {"real": batch["real"], "now": now}
    if setup.history_size:
        past = history.sample(state.history, pick_key, number)
        examples["past"] = jnp.where(history.can_sample(state.history, number), past, now)

    gradients, metrics = discriminator_gradients(state.discriminator.params, examples, setup)
    if setup.history_size:
        stored = _after(metrics["gradient_norm"], now)
        state = state.replace(history=history.replace(state.history, replace_key, stored))
    discriminator = state.discriminator.update(gradients, setup.discriminator_optimizer)
    state = state.replace(step=state.step + 1, discriminator=discriminator)
    return state, {f"discriminator/{name}": value for name, value in metrics.items()}


def newly_refined(batch: int, setup: Setup) -> int:
    """Images of a batch that are refined for the discriminator; the history gives the others."""
    return batch // 2 if setup.history_size else batch


def discriminator_gradients(
    params: PyTree, examples: dict[str, Array], setup: Setup
) -> tuple[PyTree, Metrics]:
    """Gradients of equation 2, the mean over refined and over real images weighing the same.

    Of two discriminators each minimises its own loss; the second one's terms end with "_second".

    Args:
        params: of the discriminator.
        examples: real [b, H, W, C], now and perhaps past [b/2, H, W, C].
        setup: from `make_setup`.
    """
    adversarial = losses.ADVERSARIAL[setup.adversarial].discriminator

    def terms_of(suffix, logits, params, real, part):
        real_logits, refined_logits = logits[: len(real)], logits[len(real) :]
        now_logits, past_logits = jnp.split(refined_logits, [len(part["now"])])
        on_real = adversarial(real_logits, REAL).mean()
        on_refined = adversarial(refined_logits, REFINED).mean()
        total = (on_real + on_refined) / 2
        terms = {
            "loss_real": on_real,
            "loss_refined": on_refined,
            "accuracy_real": losses.accuracy(real_logits, REAL),
            "accuracy_refined": losses.accuracy(now_logits, REFINED),
        }
        if "past" in part:
            terms["accuracy_history"] = losses.accuracy(past_logits, REFINED)
        if setup.r1:
            penalty = losses.r1_penalty(lambda x: setup.discriminate_each(params, x)[suffix], real)
            terms["r1"] = penalty
            total += setup.r1 / 2 * penalty.mean()
        return terms | {"loss": total}

    def loss(params, part):
        real = to_unit(part["real"])
        images = [real, part["now"]] + ([part["past"]] if "past" in part else [])
        judged = setup.discriminate_each(params, jnp.concatenate(images))
        found = {x: terms_of(x, logits, params, real, part) for x, logits in judged.items()}
        terms = {f"{name}{x}": value for x in found for name, value in found[x].items()}
        return _total(one["loss"] for one in found.values()), terms

    return mean_gradients(loss, params, examples, setup)


def self_regularization_weight(
    part: dict[str, Array | None], setup: Setup
) -> Float[Array, "b h w 1"] | float:
    """Per-pixel weights from the batch's mask: outside + (inside - outside) * coverage."""
    outside, inside = setup.mask_weights
    if "mask" not in part:
        return 1.0
    coverage = (to_unit(part["mask"])[..., None] + 1) / 2
    return outside + (inside - outside) * coverage


def refine_in_parts(
    params: PyTree,
    images: Float[Array, "b h w c"],
    noise: Float[Array, "b h w n"] | None,
    setup: Setup,
) -> Float[Array, "b h w c"]:
    """R(x) of a batch, a micro-batch at a time."""
    parts = split({"images": images, "noise": noise}, setup)
    refine = lambda part: setup.refine(params, part["images"], part["noise"])  # noqa: E731
    return lax.map(refine, parts).reshape(images.shape)


def repeat(
    step: Callable[[TrainState, Batch, Setup], tuple[TrainState, Metrics]],
    state: TrainState,
    batches: Batch,
    setup: Setup,
) -> tuple[TrainState, Metrics]:
    """Takes one step for each leading row of `batches`; the metrics are means over the steps."""
    return scan_mean(lambda state, batch: step(state, batch, setup), state, batches)


def _after(norm: Float[Array, ""], images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """The images, as if they depended on a norm, which is never negative.

    So the history is written when its old entries have been used. Otherwise XLA's CPU compiler, which
    ignores optimisation barriers, copies all of it twice in every update, lest it be written too early.
    """
    return jnp.where(norm < -1, 0.0, images)


def _total(parts: Iterable[Array]) -> Array | float:
    """Their sum, 0 of none; of one it is that one, bit for bit."""
    first, *others = [*parts] or [0.0]
    return sum(others, first)


def step_key(state: TrainState, role: int, setup: Setup) -> Key[Array, ""]:
    """The key of a network's next update: a function of the run's key and counters alone."""
    network = state.refiner if role == REFINER else state.discriminator
    key = jax.random.fold_in(jax.random.fold_in(state.key, role), network.updates)
    if setup.axis_name:
        key = jax.random.fold_in(key, lax.axis_index(setup.axis_name))
    return key
