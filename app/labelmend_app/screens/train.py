"""Train: start a run, watch it, stop it, go on with it, line up the next ones."""

import streamlit as st

from labelmend_app.jobs import job_log, job_queue, jobs
from labelmend_app.screens import _charts, _jobs, _runs
from labelmend_app.screens._curves import gradient_curve, training_curves
from labelmend_app.screens._effect import effect
from labelmend_app.screens._retrain import retrain
from labelmend_app.screens._train_form import form
from labelmend_core.errors import LabelmendError
from labelmend_core.ledger import RunRecord, Status
from labelmend_core.workspace import Workspace

_POLL_SECONDS = 1.0
_LOG_LINES = 30
_PANEL_WIDTH = 585  # px
_WHY_ENDED = {
    Status.STOPPED: "This run was stopped",
    Status.DIED: "The process of this run is gone",
    Status.FAILED: "This run failed",
}


def render(workspace: Workspace) -> None:
    """Draw the screen: what runs now, or else the last run and the form of a new one."""
    st.title("Train")
    _jobs.start_next(workspace)
    if jobs.running(workspace) is not None:
        st.fragment(_live, run_every=_POLL_SECONDS)(workspace)
        st.subheader("Next run", anchor=False)
        choices = form(workspace, start="Add to the queue")
        if choices is not None:
            _line_up(workspace, choices.arguments())
        return
    records = workspace.runs.all()
    _last_failure(workspace, records)
    if records:
        retrain(workspace)
        _finished(workspace, records)
        st.subheader("New run")
    else:
        st.info(
            "Nothing was trained so far. A probe with the settings below is a good start: it finds labels that the "
            "network doubts.",
            icon=":material/lightbulb:",
        )
    choices = form(workspace)
    if choices is not None:
        _start(workspace, choices.arguments())
    _jobs.history(workspace)


def _live(workspace: Workspace) -> None:
    """Draw what runs now; called every second."""
    _jobs.start_next(workspace)
    going = jobs.running(workspace)
    if going is None:
        st.rerun()
    _going(workspace, going)
    _jobs.waiting(workspace)


def _going(workspace: Workspace, going: jobs.Running) -> None:
    if going.run_id is None:
        _starting(going.job)
        return
    record = workspace.runs.get(going.run_id)
    if record.status is Status.DONE:  # a retraining that goes on to suggest
        _starting(going.job, trained=True)
        return
    st.subheader(f"Running: {record.mode} with loss {record.loss} on the {record.labels} labels")
    st.caption(f"Run {record.run_id}, started {_runs.when(record.created_at)}. It goes on when this page is closed.")
    _progress(jobs.progress(workspace.run_folder(record.run_id)))
    _stop(workspace, record.run_id, going.job)
    _curves(workspace, record)
    if going.job is not None:
        _log(going.job)


def _starting(job: jobs.Job | None, *, trained: bool = False) -> None:
    suggesting = trained or (job is not None and job.command == "suggest")
    st.subheader("Finding suspicious labels …" if suggesting else "Starting …")
    st.progress(0.0, "a moment" if suggesting else "loading PyTorch and the labels takes some seconds")
    if job is not None:
        st.button("Cancel", icon=":material/stop:", on_click=job.end)
        _log(job)


def _progress(progress: jobs.Progress | None) -> None:
    if progress is None:
        st.progress(0.0, "preparing")
        return
    left = "" if progress.eta_seconds is None else f", about {_runs.duration(progress.eta_seconds)} left"
    unit = "images" if progress.phase.endswith("images") else "steps"
    done = f"{progress.done:,} of {progress.total:,} {unit} ({progress.share:.0%})"
    st.progress(progress.share, f"{progress.phase}: {done}{left}")


def _stop(workspace: Workspace, run_id: str, job: jobs.Job | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if not jobs.stop_requested(workspace, run_id):
            st.button(
                "Stop",
                icon=":material/stop:",
                help="Ends after the batch at hand; can be resumed.",
                on_click=jobs.request_stop,
                args=(workspace, run_id),
            )
            return
        st.text("Stopping after the batch at hand …")
        if job is not None:
            st.button("End it now", help="Loses the epoch at hand; can be resumed.", on_click=job.end)


def _last_failure(workspace: Workspace, records: list[RunRecord]) -> None:
    job = jobs.latest(workspace.folder)
    if job is None or job.command == "retrain":
        return
    run_id = jobs.run_of(workspace, job)
    if not jobs.failed(job, next((r for r in records if r.run_id == run_id), None)):
        return
    what = "The search for suspicious labels" if job.command == "suggest" else "The training"
    st.error(f"{what} that was started {_runs.when(job.started_at)} failed:", icon=":material/error:")
    st.code(job_log.last_words(job), language=None, wrap_lines=True)
    _log(job)


def _finished(workspace: Workspace, records: list[RunRecord]) -> None:
    names = _runs.names(records)
    run_id = _runs.choose("Run", names, "run", first=records[0].run_id)
    record = next(r for r in records if r.run_id == run_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        if record.status in jobs.RESUMABLE:
            if st.button("Resume", icon=":material/resume:", type="primary"):
                _start(workspace, ["--resume", run_id])
            st.text(f"{_WHY_ENDED[record.status]}; what it has learned up to then is kept.")
        elif record.status is Status.DONE:
            suggested = workspace.queue.latest_run() == run_id
            again = "Find suspicious labels again" if suggested else "Find suspicious labels"
            if st.button(again, icon=":material/troubleshoot:", type="secondary" if suggested else "primary"):
                _start(workspace, ["--run", run_id], command="suggest")
            if suggested:
                st.text("Its suggestions wait under Review.")
    effect(workspace, record)
    _curves(workspace, record)


def _curves(workspace: Workspace, record: RunRecord) -> None:
    metrics = _runs.table(workspace.run_folder(record.run_id), "metrics")
    if metrics is None or metrics.empty:
        st.caption("The curves begin with the first finished epoch.")
        return
    figures = training_curves(metrics)
    gradients = _runs.table(workspace.run_folder(record.run_id), "gradients")
    if gradients is not None and len(gradients):
        figures.insert(-1, gradient_curve(gradients))
    with st.container(horizontal=True, gap="small"):  # two in a row, four where there is room
        for place, figure in enumerate(figures):
            figure.update_layout(uirevision=record.run_id)  # keeps a zoom when the next epoch comes
            with st.container(width=_PANEL_WIDTH):
                st.plotly_chart(figure, key=f"train_curve_{place}", config=_charts.CONFIG)
    if metrics["map"].isna().all():
        st.caption("Without validation images quality is measured once, when the run is done.")


def _log(job: jobs.Job) -> None:
    with st.expander("Log"):
        st.code(job_log.tail(job.log, _LOG_LINES) or "nothing so far", language=None, wrap_lines=True)


def _start(workspace: Workspace, arguments: list[str], command: jobs.Command = "train") -> None:
    try:
        jobs.start(workspace, arguments, command=command)
    except LabelmendError as error:
        st.error("It could not be started:", icon=":material/error:")
        st.code(str(error), language=None, wrap_lines=True)
        return
    st.query_params.pop("run", None)  # the new one is shown when it is done
    st.rerun()


def _line_up(workspace: Workspace, arguments: list[str]) -> None:
    try:
        job_queue.add(workspace, arguments)
    except LabelmendError as error:
        st.error("It could not be put into the queue:", icon=":material/error:")
        st.code(str(error), language=None, wrap_lines=True)
        return
    st.toast("It waits in the queue and begins when the jobs before it have ended.", icon=":material/queue:")
