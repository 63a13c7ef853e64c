import dataclasses

import jax
import jax.numpy as jnp
import optax
import pytest

from configs import folder, gaze, hand
from simgan_jax import create_train_state, make_setup
from simgan_jax.errors import UserError
from simgan_jax.models.discriminator import Discriminator, Layer
from simgan_jax.psi import channel_mean, derivatives


def change(config, key, value):
    *sections, name = key.split(".")
    for section in sections:
        config = config[section]
    config[name] = value


# (key, value, what the message must hold beside the key)
MISTAKES = [
    ("train.batch", 0, "is 0, must be a whole number, at least 1"),
    ("train.steps", -3, "is -3, must be a whole number, at least 0"),
    ("train.micro_batch", -4, "at least 0"),
    ("train.ema", 1.0, "is 1.0, must be a number, at least 0 and below 1"),
    ("train.ema", -0.5, "at least 0"),
    ("image.channels", 2, "one of 1, 3"),
    ("image.dtype", "int8", "one of uint8, uint16"),
    ("refiner.features", 0, "at least 1"),
    ("refiner.kernel", 4, "is 4, must be an odd whole number"),
    ("refiner.background", 1.5, "at least -1 and at most 1, or None"),
    ("refiner.padding", "reflect", "one of SAME, REFLECT"),
    ("refiner.dtype", "float8", "one of float32, bfloat16"),
    ("discriminator.layers", "ears", "one of eyes, hands"),
    ("loss.adversarial", "wgan", "one of cross_entropy, least_squares, hinge"),
    ("loss.psi", "vgg", "one of identity, channel_mean, derivatives"),
    ("loss.self_regularization", float("nan"), "is nan, must be a number, at least 0"),
    ("loss.r1", float("inf"), "is inf, must be"),
    ("loss.reading.steps", 0, "at least 1"),
    ("loss.reading.augmentation", (1.0, -1.0), "a list of numbers, each at least 0"),
    ("loss.reading.augmentation", (2.5,), "and at most 2"),
    ("loss.reading.augmentation", (), "a list of numbers"),
    ("optimizer.refiner.name", "sdg", "one of adam, sgd"),
    ("optimizer.discriminator.learning_rate", 0.0, "above 0"),
    ("watch.keep", 0, "at least 1"),
    ("seed", -1, "at least 0"),
    ("seed", 2**32, "below 4,294,967,296"),
    ("task", "gase", "one of gaze, iris, hand, none"),
    ("evaluate.quick.probe", 3, "at least 4"),
    ("evaluate.full.seeds", 0, "at least 1"),
    ("evaluate.estimator.validation", 1.0, "above 0 and below 1"),
    ("history.size", 3, "at least half"),
    ("history.size", -8, "at least 0"),
    ("train.batch", 7, "must be even"),
]


@pytest.mark.parametrize("key, value, text", MISTAKES, ids=lambda x: str(x).replace(" ", "_"))
def test_a_value_that_cannot_work_is_one_line_with_its_key(tiny_config, key, value, text):
    change(tiny_config, key, value)
    with pytest.raises(UserError) as caught:
        make_setup(tiny_config)
    message = str(caught.value)
    assert f"config.{key} " in message
    assert text in message
    assert "\n" not in message


def test_a_run_without_a_step_is_an_error(tiny_config):
    train = tiny_config.train
    train.pretrain_refiner = train.pretrain_discriminator = train.steps = 0
    with pytest.raises(UserError, match=r"config\.train\.steps is 0 like those of pre-training"):
        make_setup(tiny_config)


@pytest.mark.parametrize("side", ["height", "width"])
def test_images_smaller_than_a_patch_are_an_error(tiny_config, side):
    tiny_config.image[side] = 22
    with pytest.raises(UserError, match=r"config.image is .* patch of 23 px"):
        make_setup(tiny_config)


def test_a_batch_may_be_odd_without_history(tiny_config):
    tiny_config.history.size = 0
    tiny_config.train.batch = 7
    assert make_setup(tiny_config).batch == 7


def test_the_papers_gaze_configuration_has_the_papers_numbers():
    setup = make_setup(gaze.get_config("paper"))
    assert (setup.refiner.features, setup.refiner.blocks, setup.refiner.kernel) == (64, 4, 3)
    assert (setup.refiner_updates, setup.discriminator_updates) == (2, 1)
    assert (setup.batch, setup.history_size) == (512, 51_200)
    assert (setup.adversarial, setup.local) == ("cross_entropy", True)
    assert (setup.r1, setup.spectral_norm, setup.ema) == (0, False, 0)
    assert setup.refiner.noise_channels == 0
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    counts = [
        sum(x.size for x in jax.tree.leaves(network.params))
        for network in (state.refiner, state.discriminator)
    ]
    assert counts == [296_129, 75_906]


def test_hands_differ_from_eyes_in_settings_alone():
    setup = make_setup(hand.get_config("paper"))
    assert (setup.refiner.kernel, setup.refiner.blocks) == (7, 10)
    assert setup.image_shape == (224, 224, 1)
    assert setup.discriminator.receptive_field == 71


@pytest.mark.parametrize("module", [gaze, hand, folder])
@pytest.mark.parametrize("variant", ["", "tiny"])
def test_every_configuration_makes_a_setup(module, variant):
    setup = make_setup(module.get_config(variant))
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    assert state.history.images.shape == (setup.history_size, *setup.image_shape)


def test_an_unknown_variant_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="tiny, pixels, paper"):
        gaze.get_config("papr")


@pytest.mark.parametrize("module", [gaze, hand])
@pytest.mark.parametrize("psi", [None, derivatives])
def test_two_setups_of_one_configuration_compile_once(module, psi):
    traced = []
    step = jax.jit(lambda x, setup: traced.append(setup) or x, static_argnums=1)
    setups = [make_setup(module.get_config("paper"), psi) for _ in range(2)]
    for setup in setups:
        step(0, setup)
    assert len(traced) == 1
    assert setups[0] == setups[1]


@pytest.mark.parametrize(
    "key, value",
    [
        ("optimizer.refiner.learning_rate", 0.02),
        ("optimizer.discriminator.name", "sgd"),
        ("optimizer.refiner.momentum", 0.25),
        ("refiner.blocks", 2),
        ("loss.psi", "derivatives"),
        ("loss.self_regularization", 9.0),
    ],
)
def test_setups_of_other_settings_differ(tiny_config, key, value):
    before = make_setup(tiny_config)
    change(tiny_config, key, value)
    assert make_setup(tiny_config) != before


def test_a_setup_cannot_be_changed(tiny_config):
    setup = make_setup(tiny_config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setup.batch = 3


def test_psi_comes_from_the_configuration_or_is_given(tiny_config):
    tiny_config.loss.psi = "derivatives"
    assert make_setup(tiny_config).psi is derivatives
    assert make_setup(tiny_config, psi=channel_mean).psi is channel_mean


@pytest.mark.parametrize(
    "name, momentum, expected",
    [
        # Two steps on gradients 1 and 1 from 0 with learning rate 0.1.
        ("sgd", 0.0, -0.2),
        ("sgd", 0.5, -0.1 - 0.15),
        # Adam moves by the learning rate while the gradient stays the same.
        ("adam", 0.5, -0.2),
    ],
)
def test_optimizers_step_as_worked_out_by_hand(tiny_config, name, momentum, expected):
    settings = {"name": name, "learning_rate": 0.1, "momentum": momentum}
    tiny_config.optimizer.refiner.update(settings)
    optimizer = make_setup(tiny_config).refiner_optimizer
    params = jnp.zeros(())
    state = optimizer.init(params)
    for _ in range(2):
        changes, state = optimizer.update(jnp.ones(()), state, params)
        params = optax.apply_updates(params, changes)
    assert float(params) == pytest.approx(expected, rel=1e-5)


def test_spectral_norm_and_the_global_loss_act_on_the_logits(tiny_config):
    setup = make_setup(tiny_config).replace(discriminator=Discriminator((Layer(3, 3, 4),)))
    images = jnp.linspace(-1, 1, 24 * 24).reshape(1, 24, 24, 1)
    params = setup.discriminator.init(jax.random.key(0), images)["params"]
    whole, normed = setup.replace(local=False), setup.replace(spectral_norm=True)

    @jax.jit
    def logits(params):
        return [s.discriminate(params, images) for s in (setup, whole, normed)]

    once = logits(params)
    twice = logits(jax.tree.map(lambda x: 2 * x, params))
    assert [x.shape for x in once] == [(1, 6, 6, 2), (1, 1, 1, 2), (1, 6, 6, 2)]
    assert jnp.allclose(once[1][0, 0, 0], once[0].mean((0, 1, 2)), atol=1e-6)
    assert not jnp.allclose(once[0], twice[0], atol=1e-3)
    assert jnp.allclose(once[2], twice[2], atol=1e-6)


def test_a_second_discriminator_may_see_more_than_the_image(tiny_config):
    assert make_setup(tiny_config).second_discriminator is None
    tiny_config.discriminator.second = "wide"
    setup = make_setup(tiny_config)
    assert setup.second_discriminator.receptive_field == 63 > 24
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    images = jax.ShapeDtypeStruct((5, 24, 24, 1), "float32")
    logits = jax.eval_shape(setup.discriminate_each, state.discriminator.params, images)
    assert {k: x.shape for k, x in logits.items()} == {"": (5, 6, 6, 2), "_second": (5, 2, 2, 2)}


def test_a_weight_of_nothing_cannot_be_moved(tiny_config):
    tiny_config.loss.psi = "estimator"
    tiny_config.loss.reading.update(weight=0.0, target=0.5)
    with pytest.raises(UserError, match=r"config\.loss\.reading\.weight is 0.*to begin with"):
        make_setup(tiny_config)
    tiny_config.loss.reading.weight = 1.0
    assert make_setup(tiny_config).hold_reading
    tiny_config.loss.reading.target = 0.0
    assert not make_setup(tiny_config).hold_reading


def test_reading_needs_a_task(tiny_config):
    tiny_config.loss.psi = "estimator"
    assert make_setup(tiny_config).reading.count == 2
    tiny_config.task = "none"
    with pytest.raises(UserError, match=r"config\.task is 'none'"):
        make_setup(tiny_config)


def test_contrast_needs_blocks_whose_maps_it_compares(tiny_config):
    assert make_setup(tiny_config).contrast is None
    tiny_config.loss.contrast.weight = 1.0
    assert make_setup(tiny_config).contrast.places == 256
    tiny_config.refiner.blocks = 0
    with pytest.raises(UserError, match=r"config\.refiner\.blocks is 0.*contrast.weight to 0"):
        make_setup(tiny_config)
