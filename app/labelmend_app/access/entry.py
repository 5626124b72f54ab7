"""How people come in: from this machine as they are, from others with a token or a log-in."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response

from labelmend_app.access.gate import Gate, refused
from labelmend_app.access.login import Login, LoginGate, configured_login
from labelmend_app.access.token import PARAMETER, TOKEN_VARIABLE, TokenGate, given_token, made_token
from labelmend_core.errors import InputError

LOOPBACK: Final = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Entry:
    """The way in to one server.

    Args:
        host: where it listens.
        token: that it demands, if it does.
        printed: whether the token was made for the person, who cannot know it otherwise.
        login: that it demands, if it does.
    """

    host: str
    token: str | None = None
    printed: bool = False
    login: Login | None = None

    @property
    def sentence(self) -> str:
        """What a person should know besides the address; empty on a server for this machine alone."""
        if self.login is not None:
            return "Whoever the secrets name may enter, after a log-in."
        if self.printed:
            return "Whoever has this address may enter; keep the token in it to yourselves, it is not shown again."
        return "" if self.token is None else "Whoever has the token that you gave may enter."

    def gate(self, name: str) -> Gate:
        """Return what checks each request; `name` tells this server from others on the host."""
        if self.login is not None:
            return LoginGate(self.login)
        return OwnNames() if self.token is None else TokenGate(self.token, name)

    def address(self, port: int, page: str) -> str:
        """Return the address to print, with the token in it if it was made for the person."""
        host = socket.gethostname() if self.host == "0.0.0.0" else self.host
        known = f"?{PARAMETER}={self.token}" if self.printed else ""
        return f"http://{host}:{port}/{page}{known}"

    def address_to_open(self, port: int, page: str, gate: Gate) -> str:
        """Return the address that this machine's browser is started with, which other users may see."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host
        known = f"?{PARAMETER}={gate.once()}" if isinstance(gate, TokenGate) else ""
        return f"http://{host}:{port}/{page}{known}"


class OwnNames:
    """Lets in whoever asks this machine by its own name: a foreign one that leads here (DNS rebinding) is a trap."""

    def refusal(self, connection: HTTPConnection) -> Response | None:
        """Return what to answer instead of the app, None when the request may pass."""
        if _name_in(Headers(scope=connection.scope).get("host", "")) in LOOPBACK:
            return None
        sentence = (
            "Expected a request for 127.0.0.1 or localhost; `labelmend review --token` takes other names as well."
        )
        return refused(400, sentence, as_json=connection.scope["path"].startswith("/api/"))


def entry_to(host: str, *, token: bool = False, token_file: Path | None = None) -> Entry:
    """Return the way in to a server that listens on `host`.

    A token that is given or asked for is demanded on this machine as well, which others may use, too. So is a log-in,
    where the secrets say who may enter labelmend.

    Raises:
        InputError: other machines could come in without either, or what was given is not safe.
    """
    given = given_token(token_file)
    if given is not None or token:
        return Entry(host, given or made_token(), printed=given is None)
    login = configured_login(demanded=host not in LOOPBACK)
    if login is not None or host in LOOPBACK:
        return Entry(host, login=login)
    raise InputError(
        f"Expected a token or a log-in for {host}, where other machines reach the images and can decide: add --token "
        f"(made for you) or --token-file, set {TOKEN_VARIABLE}, or configure [auth] in .streamlit/secrets.toml."
    )


def _name_in(host: str) -> str:
    name, colon, port = host.partition(":")
    return name.lower() if not colon or port.isdigit() else ""
