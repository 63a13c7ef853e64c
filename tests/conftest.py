"""What every test runs under: four CPU devices, key reuse and shapes checked, fixed examples.

JAX_PLATFORMS=cuda,cpu runs the tests on a GPU; JAX_DEFAULT_MATMUL_PRECISION=highest belongs to it.
"""

import gc
import os
import tempfile
from pathlib import Path

import jax
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Before JAX starts, and before the package is imported.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_debug_key_reuse", True)

# Compiling is most of what tests do: little effort for programs that run for milliseconds, and each
# once a session, also in the processes they start.
effort = os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
jax.config.update("jax_disable_most_optimizations", effort == "1")
if effort == "1" and jax.__version_info__[:2] == (
    0,
    10,
):  # XLA ends at a flag that it does not know
    # Halves what compiling a step takes.
    FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    if FLAGS not in os.environ.get("XLA_FLAGS", ""):  # the workers' environment has them
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}".strip()
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    PROGRAMS = tempfile.TemporaryDirectory(prefix="simgan_jax_programs_")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = PROGRAMS.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    jax.config.update("jax_compilation_cache_dir", PROGRAMS.name)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

# Tracing makes hundreds of thousands of small objects, of which hardly any are garbage; of each
# operation it writes down which lines it comes from, which no test reads.
gc.set_threshold(100_000, 50, 100)
lines = os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
jax.config.update("jax_traceback_in_locations_limit", int(lines))

# Pure functions of arrays. Not the dataclasses: JAX also fills them with axes, shardings and shapes.
install_import_hook(
    [
        "simgan_jax.losses",
        "simgan_jax.gradients",
        "simgan_jax.models",
        "simgan_jax.psi",
        "simgan_jax.shuffle",
        "simgan_jax.steps",
    ],
    "beartype.beartype",
)

# Compiling inside an example takes seconds; the same examples on every run.
settings.register_profile("simgan", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("simgan")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images, as the environment variable SIMGAN_TEST_DATA names it."""
    folder = os.environ.get("SIMGAN_TEST_DATA")
    if not folder:
        pytest.skip("needs real images: set SIMGAN_TEST_DATA to their folder")
    if not Path(folder).is_dir():
        pytest.fail(f"SIMGAN_TEST_DATA={folder} is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def four_devices() -> None:
    """For tests of several devices; one accelerator is not enough."""
    if jax.device_count() < 4:
        pytest.skip("needs four devices")


@pytest.fixture
def tiny_config():
    """A whole run on embedded eyes of 24 x 24 pixels: six steps, networks of two features."""
    import tiny

    return tiny.config()


@pytest.fixture
def bare(tmp_path):
    """A run that has only just begun."""
    import run_folders

    run_folders.write(tmp_path, "config.json", run_folders.config().to_dict())
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run with everything and its report; not to be changed."""
    import run_folders

    workdir = tmp_path_factory.mktemp("finished")
    run_folders.make_finished(workdir)
    return workdir


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window; skips where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip(f"no browser at {chromium}")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        running = playwright.chromium.launch(executable_path=str(chromium), args=flags)
        yield running
        running.close()
