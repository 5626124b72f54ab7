"""The pages before the gate: one that asks for a token, one that offers to log in, one that leads on.

They load nothing and run nothing, so what an address holds is only ever text in them.
"""

from collections.abc import Iterable
from typing import Final

from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from labelmend_app.review.requests import NEVER

_HEADERS: Final = {
    **NEVER,
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address may hold a token
}

_PAGE = Markup(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{head}
<title>labelmend</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; margin: 1rem; }}
main {{ max-width: 28rem; width: 100%; }}
label {{ display: block; font-weight: 600; margin-bottom: .25rem; }}
input, button {{ font: inherit; padding: .5rem .75rem; border: 1px solid #8888; border-radius: .5rem; }}
input {{ box-sizing: border-box; width: 100%; }}
button {{ margin-top: .75rem; background: #0b57d0; border-color: #0b57d0; color: #fff; cursor: pointer; }}
.refused {{ color: light-dark(#b3261e, #f2b8b5); }}
</style>
</head>
<body><main><h1>labelmend</h1>{body}</main></body>
</html>"""
)


def entrance(
    label: str, sentence: str, *, path: str, kept: Iterable[tuple[str, str]] = (), refused: str = ""
) -> HTMLResponse:
    """Return the page that asks for a secret and sends it to the same address, whose other parameters are kept."""
    hidden = Markup("").join(Markup('<input type="hidden" name="{}" value="{}">').format(*pair) for pair in kept)
    complaint = Markup('<p class="refused" role="alert">{}</p>').format(refused) if refused else Markup("")
    body = Markup(
        '<p>{}</p>{}<form action="{}">{}<label for="token">{}</label><input id="token" name="token" type="password" '
        'autocomplete="current-password" required autofocus><button>Open labelmend</button></form>'
    ).format(sentence, complaint, _local(path), hidden, label)
    return _page(body, 401)


def logging_in(sentence: str, path: str, providers: Iterable[tuple[str, str]]) -> HTMLResponse:
    """Return the page that offers the providers of a log-in, each by name and a value for `path`'s `provider`."""
    form = Markup('<form action="{}"><input type="hidden" name="provider" value="{}"><button>Log in{}</button></form>')
    buttons = [form.format(path, value, "" if name == "default" else f" with {name}") for name, value in providers]
    return _page(Markup("<p>{}</p>").format(sentence) + Markup("").join(buttons), 401)


def turned_away(sentence: str, path: str) -> HTMLResponse:
    """Return the page for somebody who is logged in but may not enter; `path` logs out."""
    form = Markup('<p>{}</p><form action="{}"><button>Log out</button></form>')
    return _page(form.format(sentence, path), 403)


def onward(target: str) -> HTMLResponse:
    """Return a page that leads to `target` at once.

    A redirection would not do: a browser that came from another site keeps a strict cookie to itself all the way.
    """
    target = _local(target)
    head = Markup('<meta http-equiv="refresh" content="0;url={}">').format(target)
    return _page(Markup('<p><a href="{}">Go on to labelmend</a></p>').format(target), 200, head)


def _page(body: Markup, status: int, head: Markup = Markup("")) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(head=escape(head), body=body), status, headers=_HEADERS)


def _local(path: str) -> str:
    """Return a path on this server: one that begins with two slashes would name another one."""
    return "/" + path.lstrip("/\\")
