"""The memory of a process."""

import resource
from pathlib import Path


def peak_bytes() -> int:
    """Most memory that this process has held.

    Linux carries `ru_maxrss` over from the process that started this one; `VmHWM` starts anew.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
