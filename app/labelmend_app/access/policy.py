"""The Content-Security-Policy: what our pages may run and load, as little as Streamlit's own page can do with."""

import base64
import hashlib
import re
from pathlib import Path

import streamlit as st

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def content_security_policy() -> str:
    """Return the policy, for the Streamlit that is installed.

    Nothing may be loaded from or sent to another machine, and no other site may frame the app. Of scripts in the page
    itself only those run that stand in Streamlit's own, told by their hash, so none that a name has smuggled in.
    Streamlit's modules come as blobs, its styles inline, and its charts are compiled as they are drawn ('unsafe-eval').
    'self' covers the websocket.
    """
    page = Path(st.__file__).parent / "static" / "index.html"
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in _INLINE_SCRIPT.findall(page.read_bytes()))
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' 'unsafe-eval' blob: {hashes}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' blob: data:",
        "font-src": "'self' data:",
        "media-src": "'self' blob: data:",
        "connect-src": "'self' blob: data:",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in rules.items())


def _sha256(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()
