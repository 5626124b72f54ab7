"""The script that Streamlit runs: opens the workspace and leads to its screens."""

import os
from importlib import import_module
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from labelmend_app.components.connection import connection_notice
from labelmend_app.served import served
from labelmend_core.workspace import Workspace

ICON = str(Path(__file__).parent / "icon.svg")  # Streamlit's own icons come from a server elsewhere

# Streamlit leaves 6 rem free above and 5 rem beside; a page of pictures needs the room. What is chosen among several
# has border and ground in the accent colour; its text, in the same colour, could hardly be read where it is dark.
STYLE = """<style>
.stMainBlockContainer { padding: 4.25rem 2.5rem 2rem; }
button[data-variant="segmented_control"][data-selected="true"] { color: inherit !important; }
</style>"""

# Title and icon of each screen in the order of the work; its address is its module's name.
SCREENS = {
    "overview": ("Overview", ":material/dashboard:"),
    "train": ("Train", ":material/model_training:"),
    "review": ("Review", ":material/checklist:"),
    "explore": ("Explore", ":material/travel_explore:"),
    "conflicts": ("Conflicts", ":material/compare:"),
    "decisions": ("Decisions", ":material/history:"),
    "loss_lab": ("Loss curves", ":material/ssid_chart:"),
    "runs": ("Runs", ":material/compare_arrows:"),
    "export": ("Export", ":material/download:"),
}


@st.cache_resource
def open_workspace(folder: str) -> Workspace:
    """Return the workspace in a folder; one object for all sessions, and for the routes of the server."""
    return served(folder) or Workspace.open(Path(folder))


def main() -> None:
    """Draw the screen that the address names."""
    st.set_page_config(page_title="labelmend", page_icon=ICON, layout="wide")
    st.html(STYLE)
    workspace = open_workspace(os.environ["LABELMEND_WORKSPACE"])
    st.navigation([_page(name, workspace) for name in SCREENS], position="top").run()
    connection_notice()


def _page(name: str, workspace: Workspace) -> Page:
    def render() -> None:
        # Only the screen that is opened is imported: a page of pictures need not wait for charts and losses.
        import_module(f"labelmend_app.screens.{name}").render(workspace)

    title, icon = SCREENS[name]
    return st.Page(render, title=title, icon=icon, url_path=name, default=name == "overview")


if __name__ == "__main__":
    main()
