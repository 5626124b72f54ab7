"""The jobs that wait and those that were: what the Train screen shows of them."""

import shlex
from collections.abc import Sequence
from datetime import timedelta

import pandas as pd
import streamlit as st

from labelmend_app.jobs import job_log, job_queue, jobs
from labelmend_app.screens import _runs
from labelmend_core.errors import LabelmendError
from labelmend_core.workspace import Workspace

_SHOWN = 20  # earlier jobs
_LONGEST = 160  # letters of a command in a row


def start_next(workspace: Workspace) -> None:
    """Start the job whose turn it is, or say why it cannot be started."""
    try:
        job_queue.start_next(workspace)
    except LabelmendError as error:
        st.error("The next job of the queue could not be started:", icon=":material/error:")
        st.code(str(error), language=None, wrap_lines=True)


def waiting(workspace: Workspace) -> None:
    """Draw what waits, the next one first, with buttons that move and remove; nothing where nothing waits."""
    lined_up = job_queue.waiting(workspace)
    if not lined_up:
        return
    with st.container(border=True, gap="small"):
        n = len(lined_up)
        st.text(f"{n:,} job{'s' * (n > 1)} wait{'s' * (n == 1)}; one begins when the one before has ended.")
        for place, one in enumerate(lined_up, start=1):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    "Up",
                    key=f"up_{one.name}",
                    icon=":material/arrow_upward:",
                    disabled=place == 1,
                    help="Change places with the one before it.",
                    on_click=job_queue.move_up,
                    args=(workspace, one.name),
                )
                st.button(
                    "Remove",
                    key=f"remove_{one.name}",
                    icon=":material/close:",
                    on_click=job_queue.cancel,
                    args=(workspace, one.name),
                )
                st.text(f"{place}. {_words(one.command, one.arguments)}")


def history(workspace: Workspace) -> None:
    """Draw the jobs that were started from the screens and have ended; nothing before the first."""
    ended = [job for job in jobs.newest(workspace.folder, _SHOWN) if not job.alive]
    if not ended:
        return
    records = {record.run_id: record for record in workspace.runs.all()}
    rows = []
    for job in ended:
        made = jobs.run_of(workspace, job)
        run = None if made is None else records.get(made)
        took = (job.ended_at - job.started_at) / timedelta(seconds=1) if job.ended_at else None
        rows.append(
            {
                "Started": _runs.when(job.started_at),
                "Took": _runs.duration(took),
                "Ended": job_log.last_words(job)
                if jobs.failed(job, run)
                else "as it should"
                if run is None
                else run.status,
                "Run": made or "",
                "Command": _words(job.command, job.arguments),
            }
        )
    with st.expander(f"Earlier jobs ({len(rows):,})"):
        st.dataframe(pd.DataFrame(rows), hide_index=True, height=min(35 * len(rows) + 38, 320))


def _words(command: str, arguments: Sequence[str]) -> str:
    line = shlex.join([command, *arguments])
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
