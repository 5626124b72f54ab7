"""How many processor cores there are to work on."""

import os


def cores() -> int:
    """Return how many cores this process may use, at least 1: in a container often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
