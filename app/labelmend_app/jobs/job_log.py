"""What a job printed, as a person reads it."""

import re
from pathlib import Path

from labelmend_app.jobs.jobs import Job

_TAIL_BYTES = 64_000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FRAME = " \t│┃|╭╮╰╯─━┌┐└┘"  # rich draws boxes around its messages


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log without colours; of a redrawn line only its last state."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(log.stat().st_size - _TAIL_BYTES, 0))
            text = handle.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    rows = [row.rsplit("\r", 1)[-1].rstrip() for row in _ANSI.sub("", text).replace("\r\n", "\n").split("\n")]
    return "\n".join([row for row in rows if row][-lines:])


def last_words(job: Job) -> str:
    """Return the last line that a job printed, freed of frames; how it ended where it printed nothing."""
    words = [stripped for line in tail(job.log).split("\n") if (stripped := line.strip(_FRAME))]
    if words:
        return words[-1]
    if job.exit_code is not None and job.exit_code < 0:
        return f"It was ended from outside by signal {-job.exit_code} and printed nothing."
    return "It ended and printed nothing."
