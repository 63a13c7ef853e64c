"""Ctrl-C and its like: in good order, then at once, always with a status and a line."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from simgan_jax.io.signals import INTERRUPTED, heard

LINE = f"simgan: {INTERRUPTED}\n"
# What is compiled or computed returns to Python after minutes, and holds no lock meanwhile.
BUSY = 'print("here", flush=True); hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)'
START = """
import gc, hashlib, os, signal, sys, time
# Where the tests themselves run in the background, both are ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from simgan_jax.io import signals
def main(argv):
    raise SystemExit
"""


def started(program):
    """A process that has come to where it says so."""
    process = subprocess.Popen(
        [sys.executable, "-c", START + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    return process


def end(process):
    try:
        err = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_ends_the_process_in_the_midst_of_a_computation(number):
    both = "(signal.SIGINT, signal.SIGHUP)"
    process = started(f"with signals.heard({both}, lambda *_: None): {BUSY}")
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(number)
    assert end(process) == (128 + number, LINE)


def test_ctrl_c_ends_what_does_not_come_to_an_end():
    process = started(f"signals.PATIENCE = 0.2\nwith signals.interruptible(): {BUSY}")
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, LINE)


CALLBACK = """
def callback(*_):
    print("here", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    "where",
    [
        "gc.callbacks.append(callback); gc.collect()",
        "x = type('X', (), {'__del__': callback})(); del x",
        "callback()",
    ],
    ids=["callback", "destructor", "code"],
)
def test_ctrl_c_is_never_lost(where):
    process = started(f"{CALLBACK}\nwith signals.interruptible():\n    {where}")
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, LINE)


@pytest.mark.parametrize(
    "then", ["raise", "raise OSError('by accident')", "raise UserError('in the end')", "return"]
)
def test_whatever_a_command_makes_of_ctrl_c_it_ends_with_one_line(then):
    program = f"""
from simgan_jax import command
from simgan_jax.errors import UserError
def main(argv):
    try:
        print("here", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        {then}
command.run(main, argv=["x"])
"""
    process = started(program)
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, LINE)


def test_ctrl_c_while_a_command_is_imported_raises_nothing_that_an_extension_would_abort_at(
    tmp_path,
):
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        "try: print('here', flush=True); time.sleep(60)\n"
        "except BaseException: os.abort()\n"
    )
    process = started(f"""
import simgan_jax.__main__ as simgan
simgan.VERBS["doctor"] = "slow"
sys.path.insert(0, {str(tmp_path)!r})
sys.argv = ["simgan", "doctor"]
simgan.run()
""")
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, LINE)


def test_a_second_ctrl_c_while_a_command_ends_adds_nothing():
    program = """
import atexit
from simgan_jax import command
def end():
    time.sleep(60)
def main(argv):
    atexit.register(end)
    print("here", flush=True)
    time.sleep(60)
command.run(main, argv=["x"])
"""
    process = started(program)
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, LINE)


def test_what_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heard((signal.SIGHUP,), lambda *_: pytest.fail("nohup")):
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_that_is_not_the_main_one_does_not_listen():
    before, found = signal.getsignal(signal.SIGINT), []

    def work():
        with heard((signal.SIGINT,), lambda *_: None):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
