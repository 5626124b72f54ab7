"""The script that Streamlit runs: opens the workspace and leads to its screens."""

import os
from pathlib import Path
from types import ModuleType

import streamlit as st
from streamlit.navigation.page import Page

from labelmend_app.components.connection import connection_notice
from labelmend_app.screens import export, loss_lab, overview, review, runs, train
from labelmend_core.workspace import Workspace

ICON = str(Path(__file__).parent / "icon.svg")  # Streamlit's own icons come from a server elsewhere

# Streamlit leaves 6 rem free above and 5 rem beside; a page of pictures needs the room.
STYLE = "<style>.stMainBlockContainer { padding: 4.25rem 2.5rem 2rem; }</style>"

# Title and icon of each screen in the order of the work; a screen's address is its module's name.
SCREENS = {
    overview: ("Overview", ":material/dashboard:"),
    train: ("Train", ":material/model_training:"),
    review: ("Review", ":material/checklist:"),
    loss_lab: ("Loss curves", ":material/ssid_chart:"),
    runs: ("Runs", ":material/compare_arrows:"),
    export: ("Export", ":material/download:"),
}


@st.cache_resource
def open_workspace(folder: str) -> Workspace:
    """Return the workspace in a folder; one object for all sessions."""
    return Workspace.open(Path(folder))


def main() -> None:
    """Draw the screen that the address names."""
    st.set_page_config(page_title="labelmend", page_icon=ICON, layout="wide")
    st.html(STYLE)
    workspace = open_workspace(os.environ["LABELMEND_WORKSPACE"])
    st.navigation([_page(screen, workspace) for screen in SCREENS], position="top").run()
    connection_notice()


def _page(screen: ModuleType, workspace: Workspace) -> Page:
    title, icon = SCREENS[screen]
    name = screen.__name__.rpartition(".")[2]
    return st.Page(lambda: screen.render(workspace), title=title, icon=icon, url_path=name, default=screen is overview)


if __name__ == "__main__":
    main()
