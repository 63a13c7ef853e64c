"""The host loop: pre-train the refiner, pre-train the discriminator, then Algorithm 1."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, PyTree, Shaped
from ml_collections import ConfigDict

from simgan_jax import data, doctor, images, logs, parallel, record
from simgan_jax.checkpoint import Checkpoints
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.parallel import Lead, Step
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state, refiner_params, sample_noise
from simgan_jax.steps import Batch, discriminator_step, pretrain_refiner_step, train_step

SAMPLES = 8


class Phase(NamedTuple):
    """A stretch of a run: which step it takes, and the steps of the run [first, last) it covers."""

    name: str
    step: Step
    lead: Lead
    first: int
    last: int


def phases(config: ConfigDict) -> list[Phase]:
    """The schedule of section 3: the refiner alone, the discriminator alone, Algorithm 1."""
    t = config.train
    ends = np.cumsum([t.pretrain_refiner, t.pretrain_discriminator, t.steps]).tolist()
    both = {
        "synthetic": (t.refiner_updates + t.discriminator_updates,),
        "real": (t.discriminator_updates,),
    }
    alone = {"synthetic": (), "real": ()}
    return [
        Phase("refiner", pretrain_refiner_step, {"synthetic": ()}, 0, ends[0]),
        Phase("discriminator", discriminator_step, alone, ends[0], ends[1]),
        Phase("adversarial", train_step, both, ends[1], ends[2]),
    ]


def train(config: ConfigDict, workdir: str | Path) -> bool:
    """Trains, or resumes and trains on, until the schedule ends; a run that is over returns at once.

    Args:
        config: from a file in configs/.
        workdir: folder of the run; made if missing.

    Returns:
        False if a signal (SIGTERM, Ctrl-C) stopped it: the state is saved, the same call goes on.

    Raises:
        UserError: bad configuration, bad data, another run's folder, a loss that is not finite, or a
            full disk.
    """
    workdir = Path(workdir)
    setup = parallel.distribute(make_setup(config))
    record.claim(workdir, config)
    schedule = phases(config)
    last = schedule[-1].last
    checkpoints = Checkpoints(workdir, config.watch.keep)
    state = checkpoints.restore(setup)
    if state is None:
        state = parallel.place(create_train_state(jax.random.key(config.seed), setup), setup)
    first = int(state.step)
    if first >= last:
        return True

    sets = load_sets(config, setup)
    record.write(workdir, config, sets)
    resident = sum(x.nbytes for x in sets.values()) <= config.data.resident_gib * 2**30
    if resident:
        sets = parallel.replicate(sets, setup)
    with logs.Log(workdir, first, last) as log, interruptions() as interrupted:
        log.say(f"{'resuming at' if first else 'starting at'} step {first} of {last} in {workdir}")
        watch = Watch(config, setup, workdir, sets, log, checkpoints)
        for phase in schedule:
            calls = run_phase(phase, state, sets, setup, config, resident)
            for state, metrics, steps in calls:
                watch.look(phase, state, metrics, steps)
                if interrupted():
                    watch.save(state)
                    log.say(
                        f"stopped at step {int(state.step)}; the same command goes on from there"
                    )
                    return False
    return True


def run_phase(
    phase: Phase, state: TrainState, sets: Batch, setup: Setup, config: ConfigDict, resident: bool
) -> Iterator[tuple[TrainState, dict[str, jax.Array], int]]:
    """Takes the steps of a phase that are still to do; yields after each call of the program.

    On accelerators a call takes all steps up to the next multiple of `watch.log_every`, so that the
    host is not waited for; on CPU it takes one.

    Yields:
        The state, the call's mean metrics (on the device, not yet waited for), and its steps.
    """
    step = max(int(state.step), phase.first)
    if not resident:
        program = parallel.streaming_program(phase.step, setup)
        steps = range(step, phase.last)
        for batch in parallel.stream(state.key, steps, sets, phase.lead, setup):
            state, metrics = program(state, batch)
            yield state, metrics, 1
        return
    programs = {}
    while step < phase.last:
        calls = 1 if setup.unroll else calls_until(step, phase, config.watch.log_every)
        if calls not in programs:
            programs[calls] = parallel.resident_program(phase.step, setup, phase.lead, calls)
        # With several processes pmap itself turns every process's arrays into global ones.
        with jax.transfer_guard("disallow" if jax.process_count() == 1 else "allow"):
            state, metrics = programs[calls](state, sets)
        step += calls
        yield state, metrics, calls


def calls_until(step: int, phase: Phase, every: int) -> int:
    """Steps from `step` to the next multiple of `every`, or to the end of the phase."""
    return min(every - step % every, phase.last - step)


class Watch:
    """Logs, samples, checkpoints and complaints at the intervals of `config.watch`."""

    def __init__(
        self,
        config: ConfigDict,
        setup: Setup,
        workdir: Path,
        sets: Batch,
        log: logs.Log,
        checkpoints: Checkpoints,
    ):
        self._config, self._setup, self._workdir = config.watch, setup, workdir
        self._log, self._checkpoints = log, checkpoints
        self._last = phases(config)[-1].last
        self._synthetic, self._real = (
            parallel.fetch(sets[x][:SAMPLES]) for x in ("synthetic", "real")
        )
        self._refine = parallel.compile(partial(refine_samples, setup=setup))
        self._pending: list[tuple[int, dict]] = []
        self._images, self._since = 0, time.perf_counter()
        self._said: set[str] = set()

    def look(self, phase: Phase, state: TrainState, metrics: dict, steps: int) -> None:
        """To be called after each call of the program with what it returned."""
        step = (self._pending[-1][0] if self._pending else int(state.step) - steps) + steps
        self._pending.append((step, metrics))
        self._images += steps * self._setup.batch * sum(math.prod(x) for x in phase.lead.values())
        over = step == self._last
        if step % self._config.log_every and not over and step != phase.last:
            return
        row = self._drain(step)
        save = step % self._config.checkpoint_every == 0 or over
        sample = step % self._config.sample_every == 0 or over
        if sample:
            row |= self._sample(step, state)
        self._log.write(step, phase.name, row)
        if sample:
            self._complain()
        if save:
            self._checkpoints.save(state, self._setup)
        self._since = time.perf_counter() if sample or save else self._since

    def save(self, state: TrainState) -> None:
        """Checks what is pending and saves, out of turn."""
        if self._pending:
            self._drain(int(state.step))
        self._checkpoints.save(state, self._setup)

    def _drain(self, step: int) -> dict[str, float]:
        """Mean of the pending metrics; stops the run if one is not finite."""
        fetched = [(at, jax.device_get(metrics)) for at, metrics in self._pending]
        for at, metrics in fetched:
            if name := logs.first_not_finite(metrics):
                kept = self._checkpoints.steps()
                raise UserError(
                    f"{name} is {metrics[name]} at step {at}; the last good checkpoint is "
                    f"{kept[-1] if kept else 'none'}. Lower config.optimizer.*.learning_rate"
                )
        now = time.perf_counter()
        row = {
            name: float(np.mean([m[name] for _, m in fetched])) for name in sorted(fetched[0][1])
        }
        row["images_per_second"] = self._images / (now - self._since)
        self._pending, self._images, self._since = [], 0, now
        return row

    def _sample(self, step: int, state: TrainState) -> dict[str, float]:
        """Writes synthetic | refined | real, the same rows every time."""
        refined = np.asarray(self._refine(refiner_params(state), self._synthetic))
        if jax.process_index() == 0:
            columns = np.stack([self._synthetic, refined, self._real[: len(refined)]], axis=1)
            path = self._workdir / "samples" / f"{step:06d}.png"
            path.parent.mkdir(exist_ok=True)
            images.write_image(path, images.grid(columns))
        return doctor.sample_statistics(images.to_unit(refined), images.to_unit(self._synthetic))

    def _complain(self) -> None:
        for complaint in doctor.examine(logs.read(self._workdir / logs.FILE)):
            setting = complaint.split("config.")[1]
            if setting not in self._said:
                self._said.add(setting)
                self._log.say(f"doctor: {complaint}")


def refine_samples(
    params: PyTree[Array], synthetic: Shaped[Array, "n h w c"], setup: Setup
) -> Shaped[Array, "n h w c"]:
    """Integer images to refined ones of the same type, always with the same noise."""
    unit = images.to_unit(synthetic)
    noise = sample_noise(setup, jax.random.key(0), unit)
    return images.from_unit(setup.refine(params, unit, noise), synthetic.dtype)


def load_sets(config: ConfigDict, setup: Setup) -> Batch:
    """Loads "synthetic", "real" and, if the loss weighs pixels, "mask", and checks that they fit.

    Raises:
        UserError: empty, of another size or type than the configuration says, or without the mask.
    """
    synthetic = checked("data.synthetic", data.load(config.data.synthetic), setup)
    real = checked("data.real", data.load(config.data.real), setup)
    sets = {"synthetic": synthetic.images, "real": real.images}
    if label := config.loss.weight.label:
        if label not in synthetic.labels:
            raise UserError(
                f"config.loss.weight.label is {label!r}, but data.synthetic has labels "
                f"{sorted(synthetic.labels)}; name one that is a mask, or '' for none"
            )
        sets["mask"] = synthetic.labels[label]
    return sets


def checked(key: str, arrays: Arrays, setup: Setup) -> Arrays:
    """The arrays, if they are what the setup expects.

    Raises:
        UserError: naming the configuration key, what was found and what was wanted.
    """
    found, wanted = arrays.images.shape[1:], setup.image_shape
    if not len(arrays):
        raise UserError(f"config.{key}: no images")
    if found != wanted:
        raise UserError(
            f"config.{key}: images are {found} (height, width, channels), config.image says {wanted}"
        )
    if arrays.images.dtype != np.dtype(setup.image_dtype):
        raise UserError(
            f"config.{key}: images are {arrays.images.dtype}, config.image.dtype says "
            f"{setup.image_dtype}"
        )
    return arrays


@contextmanager
def interruptions() -> Iterator:
    """Within it, SIGTERM and Ctrl-C only set a flag; a second one ends the process at once.

    Yields:
        A function: whether one has come.
    """
    seen = []

    def note(number, _):
        seen.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
