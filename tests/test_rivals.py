"""CycleGAN and CUT: losses against numbers by hand, the pool, and a training of few steps."""

import time
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from absl.testing import flagsaver

from experiments.flags import QUICK
from experiments.results import stored
from experiments.rivals import __main__ as rivals
from experiments.rivals import cut, cyclegan, losses, table, training
from experiments.rivals.cost import CPU_SECONDS, cpu_time
from experiments.rivals.setup import Setup, make_setup
from experiments.sizes import FULL
from simgan_jax import data, history
from simgan_jax.errors import UserError
from simgan_jax.losses import REAL, REFINED
from simgan_jax.models.refiner import refine_with_maps
from simgan_jax.setup import make_setup as make_refiner


class Scale(nn.Module):
    """Images times one number."""

    @nn.compact
    def __call__(self, images):
        return self.param("factor", nn.initializers.ones, ()) * images


class Brightness(nn.Module):
    """Logits whose margin, refined minus real, is the mean of an image."""

    @nn.compact
    def __call__(self, images):
        margin = images.mean((1, 2, 3), keepdims=True)
        return jnp.concatenate([jnp.zeros_like(margin), margin], -1)


SETUP = Setup(Scale(), Brightness(), None, (2, 2, 1), "uint8", batch=2)


def images(value):
    return jnp.full((2, 2, 2, 1), value)


@pytest.mark.parametrize(
    ("margin", "real", "refined"), [(-1.0, 0.0, 1.0), (0.0, 0.25, 0.25), (3.0, 4.0, 1.0)]
)
def test_the_adversarial_loss_has_targets_one_and_zero(margin, real, refined):
    logits = jnp.array([[[[0.5, 0.5 + margin]]]])
    assert losses.adversarial(logits, REAL) == pytest.approx(real)
    assert losses.adversarial(logits, REFINED) == pytest.approx(refined)


def test_the_loss_of_cyclegan_s_generators_by_hand():
    params = {"real": {"factor": 2.0}, "synthetic": {"factor": 0.25}}
    batch = {"synthetic": images(0.5), "real": images(-1.0)}
    judges = {"real": {}, "synthetic": {}}
    total, (made, terms) = cyclegan.loss_of_generators(params, judges, batch, SETUP)
    np.testing.assert_allclose(made["real"], images(1.0))
    np.testing.assert_allclose(made["synthetic"], images(-0.25))
    assert {name: float(x) for name, x in terms.items()} == pytest.approx(
        {
            "real/adversarial": 1.0,  # (1 + 1)^2 / 4
            "real/cycle": 0.25,  # 0.5 to 1 to 0.25
            "real/identity": 1.0,  # -1 to -2
            "synthetic/adversarial": 0.140625,  # (-0.25 + 1)^2 / 4
            "synthetic/cycle": 0.5,  # -1 to -0.25 to -0.5
            "synthetic/identity": 0.375,  # 0.5 to 0.125
        }
    )
    assert total == pytest.approx(1.140625 + 10 * 0.75 + 5 * 1.375)


def test_the_loss_of_cyclegan_s_discriminators_by_hand():
    batch = {"synthetic": images(0.5), "real": images(-1.0)}
    shown = {"synthetic": images(1.0), "real": images(0.0)}
    judges = {"real": {}, "synthetic": {}}
    total, terms = cyclegan.loss_of_discriminators(judges, batch, shown, SETUP)
    assert terms["real/discriminator"] == pytest.approx((0 + 0.25) / 2)
    assert terms["synthetic/discriminator"] == pytest.approx((2.25 / 4 + 0) / 2)
    assert total == pytest.approx(0.125 + 0.28125)


def test_a_full_pool_gives_half_of_the_images_and_takes_the_other_half():
    exchange = jax.jit(cyclegan.exchange)
    pool = history.init(4, (1, 1, 1), np.dtype("uint8"))
    key = jax.random.key(0)
    levels = jnp.arange(8.0).reshape(2, 4, 1, 1, 1) / 10
    for made in levels:
        first, key = jax.random.split(key)
        shown, pool = exchange(pool, first, made)
        np.testing.assert_array_equal(shown, made)
    assert pool.count == 4
    new = jnp.full((4, 1, 1, 1), -1.0)
    shown, pool = exchange(pool, key, new)
    np.testing.assert_array_equal(shown[:2], new[:2])
    put_in = {0.2, 0.3, 0.6, 0.7}
    earlier = [round(float(x), 1) for x in shown[2:].ravel()]
    assert set(earlier) <= put_in
    assert len(set(earlier)) == 2
    assert (pool.images == 0).sum() == 2, "two new images have taken the place of two old ones"


def test_cut_compares_the_same_places_of_what_goes_in_and_of_what_comes_out(tiny_config):
    tiny_config.refiner.features = 4
    setup = make_setup(tiny_config, batch=2, updates=2)
    state = jax.jit(cut.create, static_argnums=1)(jax.random.key(0), setup)
    params = state.generator.params
    grey = jax.random.uniform(jax.random.key(2), (2, 24, 24, 1), minval=-1)
    made, loss = jax.jit(cut.contrastive_loss, static_argnums=3)(
        params, grey, jax.random.key(1), setup
    )
    refine = jax.jit(refine_with_maps, static_argnums=0)
    (before,), (after,) = (refine(setup.generator, params["generator"], x)[1] for x in (grey, made))
    (where,) = cut.CONTRAST.choose(jax.random.key(1), [before])
    assert len(set(where.tolist())) == cut.CONTRAST.places

    def project(maps):
        one, two = (params["projections"][f"Dense_{i}"] for i in (0, 1))
        x = np.asarray(maps).reshape(2, -1, 4)[:, where]
        x = np.maximum(x @ one["kernel"] + one["bias"], 0) @ two["kernel"] + two["bias"]
        return x / np.sqrt((x**2).sum(-1, keepdims=True) + 1e-12)

    logits = project(after) @ project(before).swapaxes(1, 2) / 0.07
    own = np.diagonal(logits, axis1=1, axis2=2)
    expected = (np.log(np.exp(logits).sum(-1)) - own).mean(1)
    np.testing.assert_allclose(loss, expected, rtol=1e-3)


def test_a_step_of_cyclegan_follows_the_gradients_and_fills_the_pools():
    setup = replace(SETUP, optimizer=optax.sgd(0.01))
    params = {"real": {"factor": 2.0}, "synthetic": {"factor": 0.25}}
    params = jax.tree.map(jnp.float32, params)
    judges = {"real": {}, "synthetic": {}}
    pools = {name: history.init(4, (2, 2, 1), np.dtype("uint8")) for name in params}
    state = cyclegan.State(jax.random.key(0), setup.network(params), setup.network(judges), pools)
    batch = {"synthetic": images(0.5), "real": images(-1.0)}
    after, _ = jax.jit(cyclegan.step, static_argnums=2)(state, batch, setup)
    # Adversarial 0.5 and -0.375, cycles -3.75 and -30, identity 5 and -2.5.
    assert after.generators.params["real"]["factor"] == pytest.approx(2 - 0.0175)
    assert after.generators.params["synthetic"]["factor"] == pytest.approx(0.25 + 0.32875)
    assert after.generators.updates == after.discriminators.updates == 1
    # Half of the batch: 2 times 0.5 is white, 0.25 times -1 is 0.375 of it.
    assert [pool.count for pool in after.pools.values()] == [1, 1]
    assert (after.pools["real"].images[0] == 255).all()
    assert (after.pools["synthetic"].images[0] == 96).all()


@pytest.mark.parametrize("name", training.RIVALS)
def test_a_rival_s_generator_has_the_refiner_s_form(name, tiny_config):
    rival, setup = training.RIVALS[name], make_setup(tiny_config, batch=4, updates=2)
    state = jax.eval_shape(lambda key: rival.create(key, setup), jax.random.key(0))
    refiner = make_refiner(tiny_config).refiner
    wanted = jax.eval_shape(refiner.init, jax.random.key(0), jnp.zeros((1, 24, 24, 1)))["params"]
    assert rival.generator_params(state) == wanted


def test_a_training_moves_the_generator_and_says_how_it_goes(tiny_config, monkeypatch):
    monkeypatch.setattr(training, "CALLS", 2)
    sets = {
        "synthetic": data.load(tiny_config.data.synthetic).images,
        "real": data.load(tiny_config.data.real).images,
    }
    said = []
    params = training.train(cut, tiny_config, sets, images=8, say=said.append)
    setup = make_setup(tiny_config, batch=4, updates=2)
    create = jax.jit(cut.create, static_argnames="setup")
    start = cut.generator_params(create(jax.random.key(tiny_config.seed), setup))
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), params, start)
    # Two updates of Adam at 2e-4 hardly move any number further.
    assert max(jax.tree.leaves(moved)) < 4.2e-4
    assert moved["head"]["bias"] > 0
    assert [line[:4].strip() for line in said] == ["50%", "100%"]


def test_the_learning_rate_falls_to_nothing_in_the_second_half(tiny_config):
    optimizer = make_setup(tiny_config, batch=4, updates=10).optimizer
    state, steps = optimizer.init(jnp.zeros(())), []
    for _ in range(11):
        change, state = optimizer.update(jnp.ones(()), state)
        steps.append(-float(change))
    np.testing.assert_allclose(steps[:6], 2e-4, rtol=1e-3)
    np.testing.assert_allclose(steps[6:], np.array([4, 3, 2, 1, 0]) * 4e-5, rtol=1e-3, atol=1e-9)


def test_what_a_rival_cannot_do_is_said(tiny_config):
    with pytest.raises(UserError, match="even number"):
        make_setup(tiny_config, batch=3, updates=10)
    tiny_config.refiner.noise_channels = 1
    with pytest.raises(UserError, match="no noise"):
        make_setup(tiny_config, batch=4, updates=10)


def test_as_many_images_are_seen_as_the_refiner_has_seen(tiny_config):
    # Batches of 8: two of pre-training, two in each of three iterations.
    assert training.images_seen(tiny_config) == 64


def test_the_table_has_the_refiner_s_figures_beside_a_rival_s():
    def figures(**values):
        return {name: {"mean": x, "std": None, "runs": [x]} for name, x in values.items()}

    ours = {"error/refined": 7.0, "error/synthetic": 9.0, "reading/yaw": 1.0, "kid/synthetic": 5.0}
    run = {"seeds": 1, "features": 8, "share": 0.5, "identity": True, "command": "python"}
    result = {
        "runs": {"embedded/simgan": run},
        "variants": {
            "embedded/simgan": figures(**ours),
            "embedded/cut": figures(**{"error/refined": 7.5, "artefacts/beyond_tone": 0.25}),
        },
    }
    lines = table.text(result).splitlines()
    cells = {line.split(" | ")[0]: line.split(" | ")[1:] for line in lines if line[:1] == "|"}
    assert cells["| renderings"][0] == "9.00"
    assert cells["| renderings"][4] == "–", "what is not refined has no drift"
    assert cells["| SimGAN (this package)"][4] == "+1.0"
    assert cells["| CUT"][0] == "7.50"
    assert cells["| CUT"][8] == "25.0%"
    assert "8 features, 50% of" in table.text(result)


def test_the_cpu_time_of_a_training_that_was_interrupted_is_that_of_all_its_calls(tmp_path):
    file = tmp_path / "training.json"

    def work():
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass

    def interrupted():
        work()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cpu_time(file)(interrupted)()
    first = stored(file)[CPU_SECONDS]
    with cpu_time(file):
        work()
    assert first >= 0.05
    assert stored(file)[CPU_SECONDS] >= first + 0.05


def test_another_experiment_s_run_is_taken_only_when_it_is_finished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    theirs, own = (
        rivals.RUNS / x for x in ("real_people/matched_first-0", "rivals/columbia/simgan-0")
    )
    theirs.mkdir(parents=True)
    given = [(QUICK, "false"), (FULL, "false"), (rivals.DATA, "columbia")]
    given += [(rivals.SHARE, "1"), (rivals.FEATURES, "0"), (rivals.IDENTITY, "true")]
    with flagsaver.as_parsed(*given):
        assert rivals.workdir("simgan", 0) == own
        (theirs / "evaluation.json").touch()
        assert rivals.workdir("simgan", 0) == theirs
        own.mkdir(parents=True)
        assert rivals.workdir("simgan", 0) == own
