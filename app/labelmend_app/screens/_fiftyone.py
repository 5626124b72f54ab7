"""FiftyOne from the Export screen: push and open its App beside the screens, and bring decisions back."""

import streamlit as st

from labelmend_app.fiftyone_bridge import beside
from labelmend_app.jobs import job_log, jobs
from labelmend_app.screens._reviewer import current_reviewer
from labelmend_core.errors import LabelmendError
from labelmend_core.workspace import Workspace

_POLL_SECONDS, _LOOK_SECONDS = 1.0, 3.0
_LINES = 60  # of what a pull prints: up to 20 conflicts, and what was not understood
_PROBLEM, _BUSY, _STOPPED = "fiftyone_problem", "fiftyone_busy", "fiftyone_stopped"


def fiftyone(workspace: Workspace) -> None:
    """Draw the buttons, how far it is, and what came of it."""
    st.subheader("FiftyOne", anchor=False)
    st.caption(
        "Labels, suggestions and features in the FiftyOne App on the machine where labelmend runs. What is decided "
        "there with **Accept**, **Reject** and **Unsure** comes back into the ledger, each decision once."
    )
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error("It could not be started:", icon=":material/error:")
        st.code(problem, language=None, wrap_lines=True)
    going = _starting(workspace) or _short(workspace) is not None
    is_open = beside.address(workspace) is not None
    every = _POLL_SECONDS if going else _LOOK_SECONDS if is_open else None
    st.fragment(_live, run_every=every)(workspace, going or is_open)


def _live(workspace: Workspace, polled: bool) -> None:
    starting, short = _starting(workspace), _short(workspace)
    where = beside.address(workspace)
    if not starting and short is None and st.session_state.pop(_BUSY, False):
        st.rerun()  # what came of it changes the rest of the screen, too
    st.session_state[_BUSY] = starting or short is not None
    if polled and where is None and not starting and short is None:
        st.rerun()  # nothing to look at any more
    if where is not None and where == st.session_state.get(_STOPPED):
        st.caption("FiftyOne is being stopped …")
    if starting or short is not None:
        _progress(workspace, "fiftyone app" if short is None else short.command)
    with st.container(horizontal=True):
        if where is not None:
            st.link_button("Go to FiftyOne", where, icon=":material/open_in_new:", type="primary")
        _button(
            workspace,
            "Open in FiftyOne",
            "fiftyone app",
            "visibility",
            hidden=where is not None,
            disabled=starting or short is not None,
        )
        pushed = (beside.folder_of(workspace) / "dataset.txt").is_file() and not starting
        _button(
            workspace,
            "Bring decisions back",
            "fiftyone pull",
            "download_done",
            hidden=False,
            disabled=short is not None or not pushed,
        )
        _button(workspace, "Push again", "fiftyone push", "upload", hidden=where is None, disabled=short is not None)
        if where is not None or starting:
            st.button("Stop FiftyOne", icon=":material/stop:", key="fiftyone_stop", on_click=_stop, args=(workspace,))
    if short is None and not starting:
        _outcome(workspace)


def _button(
    workspace: Workspace, label: str, action: beside.Action, icon: str, *, hidden: bool, disabled: bool
) -> None:
    if hidden:
        return
    if st.button(label, icon=f":material/{icon}:", key=action.replace(" ", "_"), disabled=disabled):
        try:
            beside.start(workspace, action, _arguments(action))
        except LabelmendError as error:
            st.session_state[_PROBLEM] = str(error)
        st.rerun()


def _stop(workspace: Workspace) -> None:
    st.session_state[_STOPPED] = beside.address(workspace)
    beside.stop(workspace)


def _arguments(action: beside.Action) -> list[str]:
    if action == "fiftyone push":
        return []
    reviewer = ["--reviewer", current_reviewer()]
    if action == "fiftyone pull":
        return reviewer
    return [*reviewer, "--push", "--no-open", "--port", str(beside.free_port())]


def _starting(workspace: Workspace) -> bool:
    """Whether the App was asked for from a screen and does not answer yet."""
    return beside.busy(workspace, "fiftyone app") is not None and beside.address(workspace) is None


def _short(workspace: Workspace) -> jobs.Job | None:
    """Return the push or pull that runs."""
    return beside.busy(workspace, "fiftyone pull")


def _progress(workspace: Workspace, command: str) -> None:
    if command == "fiftyone pull":
        st.progress(0.0, "Decisions come back …")
        return
    known = jobs.progress(beside.folder_of(workspace))
    if known is None or not known.total:
        st.progress(0.0, f"{'FiftyOne starts' if known is None else known.phase} …")
        return
    st.progress(known.share, f"{known.phase}: {known.done:,} of {known.total:,}")


def _outcome(workspace: Workspace) -> None:
    """Say how the last one ended, until another is started; an App that was stopped has nothing to say."""
    job = beside.latest(workspace, "fiftyone app", "fiftyone push", "fiftyone pull")
    if job is None or job.alive:
        return
    if job.exit_code not in (0, None) and not (job.command == "fiftyone app" and job.exit_code in (143, -15)):
        st.error("FiftyOne did not do as asked:", icon=":material/error:")
        st.code(job_log.last_words(job), language=None, wrap_lines=True)
    elif job.command != "fiftyone app":
        # Names of images and classes are in it: as text.
        st.code(job_log.tail(job.log, lines=_LINES), language=None, wrap_lines=True)
