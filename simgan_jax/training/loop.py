"""The host loop: pre-train the refiner, pre-train the discriminator, then Algorithm 1."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Shaped
from ml_collections import ConfigDict

from simgan_jax import data, settings
from simgan_jax.data import Arrays
from simgan_jax.data.arrays import digests
from simgan_jax.data.histogram_matching import histograms, match
from simgan_jax.errors import CannotWrite, UserError, counted
from simgan_jax.gradients import Metrics
from simgan_jax.io.locks import alone
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState
from simgan_jax.steps import Batch
from simgan_jax.training import devices, logs, processes, provenance
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.first_state import first_state
from simgan_jax.training.interruptions import interruptions
from simgan_jax.training.phases import Phase, phases, steps_until_due
from simgan_jax.training.probe import SIZE as PROBE_SIZE
from simgan_jax.training.probe import Probe
from simgan_jax.training.psi_estimators import train_psi_estimators
from simgan_jax.training.watch import Watch

# In a run's folder, held while it trains.
LOCK = ".training.lock"
# Takes the configuration, the synthetic and the real images; raises UserError.
Require = Callable[[ConfigDict, Arrays, Arrays], None]


def no_more(config: ConfigDict, synthetic: Arrays, real: Arrays) -> None:
    """Asks for nothing beside what training needs."""


def train(config: ConfigDict, workdir: str | Path, require: Require = no_more) -> bool:
    """Trains, or resumes and trains on, until the schedule ends; a run that is over returns at once.

    Args:
        config: from a file in configs/.
        workdir: folder of the run; made if missing.
        require: what else is asked of the sets, such as that they can be evaluated.

    Returns:
        False if a signal (SIGTERM, Ctrl-C) stopped it: the state is saved, the same call goes on.

    Raises:
        UserError: bad configuration, bad data, another run's folder or data, a folder that another
            process trains in, a loss that is not finite, or a full disk.
    """
    workdir = Path(workdir)
    check_settings(config)
    setup = devices.distribute(make_setup(config))
    with alone(workdir / LOCK, "trained") if processes.is_first() else nullcontext():
        return _train(config, workdir, setup, require)


def _train(config: ConfigDict, workdir: Path, setup: Setup, require: Require) -> bool:
    """`train`, alone in its folder."""
    provenance.claim(workdir, config)
    schedule = phases(config)
    last = schedule[-1].last
    checkpoints = Checkpoints(workdir, config.watch.keep)
    state = checkpoints.resume(setup)
    if state is not None and int(state.step) >= last:
        return True

    synthetic, real = load_sets(config, setup)
    require(config, synthetic, real)
    sets = select(config, synthetic, real)
    few = max(PROBE_SIZE, config.loss.reading.images)
    mixed = data.mixed(synthetic, config.data.synthetic.source, count=few)
    first = 0 if state is None else int(state.step)
    provenance.write(workdir, config, sets, first)
    if state is None:
        state = first_state(jax.random.key(config.seed), setup)
        state = state.replace(histograms=histograms_of(real, config, setup))
        if setup.reading:
            state = state.replace(estimators=train_psi_estimators(config, mixed))
        state = devices.place(state, setup)
        if setup.reading:
            checkpoints.save(state, setup)
    probe = Probe(setup, workdir / "samples", mixed, real.images, config.task)
    resident = fit_on_devices(config, sets)
    if resident:
        sets = devices.replicate(sets, setup)
    del synthetic, mixed, real  # where the sets were copied, what is not needed of them goes
    with (
        _failures_told(checkpoints),
        logs.Log(workdir, first, last) as log,
        interruptions() as interrupted,
    ):
        log.say(f"{'resuming at' if first else 'starting at'} step {first} of {last} in {workdir}")
        watch = Watch(config, setup, workdir, probe, log, checkpoints, first, last)
        for phase in schedule:
            for advance, steps in calls(phase, int(state.step), sets, setup, config, resident):
                state, metrics = advance(state)
                state = watch.look(phase, state, metrics, steps)
                if interrupted():
                    watch.save(state)
                    log.say(
                        f"stopped at step {int(state.step)}; the same command goes on from there"
                    )
                    return False
    return True


@contextmanager
def _failures_told(checkpoints: Checkpoints) -> Iterator[None]:
    """Within it, what cannot be written says where the run would go on."""
    try:
        yield
    except CannotWrite as error:
        raise UserError(f"{error}; {checkpoints.last_good()}") from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise UserError(
            f"{place}{error.strerror or error}; {checkpoints.last_good()}; free space or bring the "
            "folder back and run the same command again"
        ) from error


def calls(
    phase: Phase, step: int, sets: Batch, setup: Setup, config: ConfigDict, resident: bool
) -> Iterator[tuple[Callable[[TrainState], tuple[TrainState, Metrics]], int]]:
    """What is still to do of a phase, call by call.

    On accelerators a call takes all steps up to the next one that the host looks at, so that it is
    not waited for; on CPU it takes one.

    Args:
        phase: its step function, first and last step.
        step: steps of the run that are done.
        sets: synthetic and real images; on the devices already if they are resident.
        setup: networks and settings.
        config: of the run: its seed, and what the host looks at.
        resident: whether the sets lie on the devices; else batches are streamed to them.

    Yields:
        A function that takes the steps, and their number.
    """
    step = max(step, phase.first)
    if not resident:
        program = devices.streaming_program(phase.step, setup)
        key, steps = jax.random.key(config.seed), range(step, phase.last)
        for batch in devices.stream(key, steps, sets, phase.updates, setup):
            yield lambda state, batch=batch: program(state, batch), 1
        return
    # With several processes pmap itself turns every process's arrays into global ones.
    guard = "disallow" if jax.process_count() == 1 else "allow"
    programs = {}
    while step < phase.last:
        on_cpu = jax.default_backend() == "cpu"
        count = 1 if on_cpu else steps_until_due(step, phase, config.watch)
        if count not in programs:
            programs[count] = devices.resident_program(phase.step, setup, phase.updates, count)

        def advance(state, program=programs[count]):
            with jax.transfer_guard(guard):
                return program(state, sets)

        yield advance, count
        step += count


def load_sets(config: ConfigDict, setup: Setup) -> tuple[Arrays, Arrays]:
    """Loads the synthetic and the real images, and checks that they fit.

    Synthetic ones come as they are refined: with the grey values of real ones, if the run matches them.

    Raises:
        UserError: empty, of another size or type than the configuration says, or the same set twice.
    """
    synthetic = check_images("data.synthetic", data.load_set(config, "synthetic"), setup)
    real = check_images("data.real", data.load_set(config, "real"), setup)
    require_two(synthetic, real)
    kept = histograms_of(real, config, setup)
    if kept is not None:
        drawn = np.random.default_rng(config.seed).integers(len(kept), size=len(synthetic))
        synthetic = Arrays(match(synthetic.images, kept, drawn), synthetic.labels)
    return synthetic, real


def require_two(synthetic: Arrays, real: Arrays) -> None:
    """Refuses one set given as both, by whatever name.

    Raises:
        UserError: at least half of the smaller set's images are in the other too.
    """
    ours, theirs = (set(digests(images.images)) for images in (synthetic, real))
    both = len(ours & theirs)
    if 2 * both >= min(len(ours), len(theirs)):
        raise UserError(
            f"config.data.synthetic and config.data.real have {counted(both, 'image')} in common, of "
            f"{len(ours):,} and {len(theirs):,} different ones; half of the smaller set is too many to "
            "tell them apart: name two sets"
        )


def histograms_of(
    real: Arrays, config: ConfigDict, setup: Setup
) -> Shaped[np.ndarray, "k levels c"] | None:
    """`TrainState.histograms`, of real images."""
    return setup.histograms and histograms(real.images, *setup.histograms, config.seed)


def check_settings(config: ConfigDict) -> None:
    """Refuses settings that there are not, of the run or of a data set, and lacking ones.

    Raises:
        UserError: naming the setting.
    """
    settings.require_all(config)
    for name in settings.SETS:
        if spec := config.data.get(name):
            with data.of_set(name):
                data.check(spec)


def fit_on_devices(config: ConfigDict, sets: Batch) -> bool:
    """Whether whole sets are kept on the devices (`config.data.resident_gib`), or else streamed.

    What counts is one copy: every accelerator holds its own, the devices of a CPU share one.
    """
    return sum(x.nbytes for x in sets.values()) <= config.data.resident_gib * 2**30


def select(config: ConfigDict, synthetic: Arrays, real: Arrays) -> Batch:
    """What training sees of the sets: images, and the mask of the pixels that carry the label.

    Raises:
        UserError: the synthetic set lacks the mask that the configuration names.
    """
    sets = {"synthetic": synthetic.images, "real": real.images}
    if label := config.loss.weight.label:
        if label not in synthetic.labels:
            raise UserError(
                f"config.loss.weight.label is {label!r}, but data.synthetic has labels "
                f"{sorted(synthetic.labels)}; name one that is a mask, or '' for none"
            )
        sets["mask"] = synthetic.labels[label]
    return sets


def check_images(key: str, arrays: Arrays, setup: Setup) -> Arrays:
    """The arrays, if they are what the setup expects.

    Raises:
        UserError: naming the configuration key, what was found and what was wanted; or all images are
            the same.
    """
    found, wanted = arrays.images.shape[1:], setup.image_shape
    if not len(arrays):
        raise UserError(f"config.{key}: no images")
    if found != wanted:
        raise UserError(
            f"config.{key}: images are {found} (height, width, channels), config.image says {wanted}; "
            f"set height, width, channels and fit of config.{key}, or config.image"
        )
    if arrays.images.dtype != np.dtype(setup.image_dtype):
        kind = arrays.images.dtype
        raise UserError(
            f"config.{key}: images are {kind}, config.image.dtype says {setup.image_dtype}; set "
            f"that to {kind} or, of a folder, config.{key}.dtype to {setup.image_dtype}"
        )
    # One image at a time, up to the first that differs: a set may be far larger than the memory.
    if len(arrays) > 1 and all(np.array_equal(x, arrays.images[0]) for x in arrays.images[1:]):
        raise UserError(
            f"config.{key}: all of {len(arrays):,} images are the same, and show nothing to learn"
        )
    return arrays
