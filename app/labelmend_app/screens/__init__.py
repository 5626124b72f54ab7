"""The Streamlit screens; each module's `render(workspace)` draws one."""
