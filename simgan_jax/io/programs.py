"""Compiled programs on disk: a command does not compile again what an earlier one has compiled."""

import os
import sys
import warnings

from simgan_jax.io.user_cache import private_folder

# The least recently used programs go first. A run of configs/gaze.py and its evaluation take 30 MiB.
LARGEST_BYTES = 2**30


def keep_programs() -> None:
    """Lets JAX keep what it compiles in the user's cache folder.

    JAX's own settings win: JAX_COMPILATION_CACHE_DIR names another folder, and all is then as JAX has
    it; JAX_ENABLE_COMPILATION_CACHE=0 keeps nothing. Without a folder that can be written, every
    program is compiled. Machines may share a folder: the features of a CPU and the kind of an
    accelerator are part of a program's key, as are the version of JAX and XLA_FLAGS.
    """
    jax = sys.modules.get("jax")  # not imported by a command that computes nothing
    if jax is None:
        return
    # A full disk, a program that a killed process has written half: then it is compiled.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    if jax.config.jax_compilation_cache_dir is not None:
        return
    folder = private_folder("programs")
    if folder is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_COMPILATION_CACHE_MAX_SIZE" not in os.environ:
        jax.config.update("jax_compilation_cache_max_size", LARGEST_BYTES)
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        # Small programs are many: together they take as long as the large ones.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
