"""One click that trains again on what was decided, shows how far it is, and says what came of it."""

import streamlit as st

from labelmend_app.jobs import job_log, jobs
from labelmend_core.errors import LabelmendError
from labelmend_core.workspace import Workspace

_POLL_SECONDS = 1.0


def retrain(workspace: Workspace) -> None:
    """Draw the button where there is something to learn from, the progress while it runs, or how it ended."""
    job = jobs.latest(workspace.folder)
    if jobs.running(workspace) is not None:
        if job is not None and job.alive and job.command == "retrain":
            st.fragment(_live, run_every=_POLL_SECONDS)(workspace)
        return
    run_id = workspace.queue.latest_run()
    if run_id is None:
        return
    record = workspace.runs.get(run_id)
    if job is not None and job.command == "retrain":
        _ended(workspace, job, run_id)
    new = workspace.ledger.count() - record.n_decisions
    if new <= 0 or "backbone" not in record.settings:
        return
    st.button(
        "Retrain with what I decided",
        icon=":material/model_training:",
        key="retrain",
        help=f"A head on the network's features, with the settings of run {run_id} and all decisions: seconds once the "
        "images have been looked at. Its suggestions take the place of these.",
        on_click=_start,
        args=(workspace, run_id),
    )
    if problem := st.session_state.pop("retrain_problem", None):
        st.error("It could not be started:", icon=":material/error:")
        st.code(problem, language=None, wrap_lines=True)


def _start(workspace: Workspace, run_id: str) -> None:
    try:
        jobs.start(workspace, ["--run", run_id], command="retrain")
    except LabelmendError as error:
        st.session_state["retrain_problem"] = str(error)


def _live(workspace: Workspace) -> None:
    going = jobs.running(workspace)
    if going is None:
        st.rerun()
    progress = None if going.run_id is None else jobs.progress(workspace.run_folder(going.run_id))
    with st.container(horizontal=True, vertical_alignment="center"):
        share = 0.0 if progress is None else progress.share
        st.progress(share, f"Retraining: {'starting' if progress is None else progress.phase} …")
        if going.job is not None:
            st.button("Cancel", icon=":material/stop:", key="retrain_cancel", on_click=going.job.end)


def _ended(workspace: Workspace, job: jobs.Job, run_id: str) -> None:
    made = jobs.run_of(workspace, job)
    record = next((run for run in workspace.runs.all() if run.run_id == made), None)
    if jobs.failed(job, record):
        st.error("Retraining did not finish:", icon=":material/error:")
        st.code(job_log.last_words(job), language=None, wrap_lines=True)
    elif made == run_id and record is not None and workspace.ledger.count() == record.n_decisions:
        n = len(workspace.queue.ranking(run_id).rank)
        decisions = f"{record.n_decisions:,} decision{'s' * (record.n_decisions != 1)}"
        st.success(
            f"Retrained on {decisions}: {n:,} suggestions wait under **Review**; what it brought is under **Train**.",
            icon=":material/done_all:",
        )
