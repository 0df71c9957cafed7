"""The most memory that this process has had."""

import resource
import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Largest resident size in MB.

    On Linux by /proc: what `getrusage` says there is handed on from the process that started this one (getrusage(2)).
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)
