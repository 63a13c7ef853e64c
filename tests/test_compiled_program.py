"""What XLA makes of an iteration on four devices: structure, which decides speed and can be tested."""

import re

import jax
import pytest
from test_device_counts import SETUP, UPDATES, data  # noqa: F401

from simgan_jax import create_train_state
from simgan_jax.steps import iteration
from simgan_jax.training import devices

COLLECTIVES = r" ((?:all|reduce|collective|ragged)-[a-z-]+)\("


def lowered(setup, data):  # noqa: F811
    """The program that training calls, before XLA has it."""
    setup = devices.distribute(setup, 4)
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    return devices.resident_program(iteration, setup, UPDATES).lower(
        state, devices.replicate(data, setup)
    )


@pytest.fixture(scope="module")
def compiled(data, four_devices):  # noqa: F811
    return lowered(SETUP, data).compile().as_text()


@pytest.fixture(scope="module")
def in_bfloat16(data, four_devices):  # noqa: F811
    networks = {
        name: getattr(SETUP, name).clone(dtype="bfloat16") for name in ("refiner", "discriminator")
    }
    return lowered(SETUP.replace(**networks), data)


def test_an_update_takes_one_all_reduce_of_its_gradients_and_metrics(compiled):
    # Updates of the refiner are a loop, whose body is there once; the discriminator has one update.
    assert re.findall(COLLECTIVES, compiled) == ["all-reduce", "all-reduce"]


def test_the_new_state_lies_where_the_old_one_lay(compiled):
    (aliases,) = re.findall(r"input_output_alias=\{(.*?)\}, entry", compiled)
    pairs = re.findall(r"\{(\d+)\}: \((\d+), \{\}", aliases)
    leaves = len(jax.tree.leaves(create_train_state(jax.random.key(0), SETUP)))
    assert pairs == [(str(i), str(i)) for i in range(leaves)]


def test_the_history_is_written_where_it_lies(compiled):
    part = r"u8\[(?:1,)?8,8,10,1\]\S*"
    assert re.findall(rf"= {part} (?:fusion|scatter)\(", compiled)
    assert not re.findall(rf"= {part} copy\(", compiled)


def test_the_host_has_no_part_in_a_step(compiled):
    assert not re.findall(r" (?:infeed|outfeed|send|recv)\(", compiled)
    assert not [x for x in re.findall(r'custom_call_target="(.+?)"', compiled) if "callback" in x]


def types(operation, text):
    """Of the numbers that go into every such operation."""
    inputs = re.findall(rf"stablehlo\.{operation}\b.*?: \((.*?)\) ->", text, re.DOTALL)
    return {found for x in inputs for found in re.findall(r"[x<]([a-z]+\d+)>", x)}


def test_bfloat16_networks_convolve_in_it_and_learn_in_float32(in_bfloat16):
    text = in_bfloat16.as_text()
    assert types("convolution", text) == {"bf16"}
    assert types("all_reduce", text) == {"f32"}
    state, metrics = in_bfloat16.out_info
    learnt = (state.refiner.params, state.refiner.optimizer, state.ema, metrics)
    found = {str(x.dtype) for x in jax.tree.leaves(learnt)}
    assert found <= {"float32", "int32"}
    assert "float32" in found
