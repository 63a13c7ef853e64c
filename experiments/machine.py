"""The machine that figures belong to."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import jax


def machine() -> dict[str, str | int | bool]:
    """What the figures belong to; "matrix_unit": whether the CPU has one for bfloat16 (AMX)."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [x.split(":")[1].strip() for x in lines if x.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "matrix_unit": any("amx_bf16" in x for x in lines if x.startswith("flags")),
        "load": os.getloadavg()[0],
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": version("jaxlib"),
    }
