"""A notice for the time when the server is away, in place of Streamlit's dialog."""

import streamlit as st

_NOTICE = "labelmend does not answer. Start it again in the terminal; this page goes on by itself when it is back."

_mount = st.components.v2.component(
    "labelmend.connection",
    html=f'<p class="notice" role="alert" hidden>{_NOTICE}</p>',
    css="""
    .notice { position: fixed; inset: auto 1rem 1rem auto; z-index: 1000; margin: 0; padding: 0.7rem 1rem; color: #fff;
              background: #b3261e; border-radius: var(--st-base-radius); font: 0.9375rem/1.4 var(--st-font); }
    """,
    js="""
    const EVERY = 3000;
    let notice;
    const look = () => fetch("/_stcore/health", { cache: "no-store" }).then((r) => r.ok, () => false);
    const watch = async () => {
      if (notice?.isConnected) notice.hidden = await look();
      setTimeout(watch, EVERY);
    };
    watch();
    export default ({ parentElement }) => { notice = parentElement.querySelector(".notice"); };
    """,
)


def connection_notice() -> None:
    """Watch the server from the page and say so when it does not answer."""
    _mount(key="connection", height="content")
