"""A log-in with an OpenID provider, by Streamlit's `[auth]` in its secrets, for everybody whom the secrets name."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import Response
from streamlit.auth_util import encode_provider_token, get_cookie_with_chunks, validate_auth_credentials
from streamlit.errors import StreamlitAuthError
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

from labelmend_app.access.entrance import logging_in, turned_away
from labelmend_app.access.gate import refused
from labelmend_core.errors import InputError

LOGIN, LOGOUT, CALLBACK = "/auth/login", "/auth/logout", "/oauth2callback"
_USER_COOKIE: Final = "_streamlit_user"
_SHORTEST_SECRET = 32


@dataclass(frozen=True)
class Login:
    """A log-in as the secrets configure it.

    Args:
        providers: their names; `default` is the one without a name.
        allowed: e-mail addresses, or `@domain` for all of a domain; in lower case.
    """

    providers: tuple[str, ...]
    allowed: frozenset[str] = field(default_factory=frozenset)

    def may_enter(self, user: Mapping[str, Any]) -> bool:
        """Return whether somebody who is logged in is one of those whom the secrets name."""
        address = str(user.get("email") or "").lower()
        if not address or user.get("email_verified", True) is not True:
            return False
        return address in self.allowed or f"@{address.rpartition('@')[2]}" in self.allowed


def configured_login(*, demanded: bool) -> Login | None:
    """Return the log-in of `.streamlit/secrets.toml`, None if it has none.

    Args:
        demanded: take what it has for one of ours, even if it does not say who may enter labelmend.

    Raises:
        InputError: it is half configured, names nobody who may enter, or the packages for it are missing.
    """
    if not st.secrets.load_if_toml_exists() or "auth" not in st.secrets:
        return None
    if not demanded and "labelmend" not in st.secrets:
        return None
    section = st.secrets["auth"].to_dict()
    providers = ("default",) if "client_id" in section else _named(section)
    if not providers:
        raise InputError("Expected client_id or a section [auth.NAME] under [auth] of the secrets, got neither.")
    if find_spec("authlib") is None:
        raise InputError("Expected the packages for a log-in; install them: pip install 'labelmend[login]'.")
    try:
        for provider in providers:
            validate_auth_credentials(provider)
    except StreamlitAuthError as error:
        raise InputError(" ".join(str(error).split())) from error
    if len(str(section["cookie_secret"])) < _SHORTEST_SECRET:
        raise InputError(
            f"Expected a cookie_secret of at least {_SHORTEST_SECRET} characters under [auth] of the secrets; "
            "`openssl rand -hex 32` makes one."
        )
    return Login(providers, _allowed())


def _named(section: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, value in section.items() if isinstance(value, dict) and "client_id" in value)


def _allowed() -> frozenset[str]:
    # Whoever has an account with a public provider could enter otherwise.
    found = st.secrets["labelmend"].get("allowed") if "labelmend" in st.secrets else None
    if not isinstance(found, Collection) or isinstance(found, str) or not found:
        raise InputError(
            "Expected who may enter under [labelmend] of the secrets, as in allowed = ['ann@lab.example', "
            "'@lab.example'], got nobody."
        )
    wrong = [name for name in found if not isinstance(name, str) or "@" not in name]
    if wrong:
        raise InputError(f"Expected e-mail addresses or @domains as allowed in the secrets, got {wrong[0]!r}.")
    return frozenset(name.lower() for name in found)


class LoginGate:
    """Lets in who is logged in and named; Streamlit's own routes log in and out and keep a signed cookie."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def refusal(self, connection: HTTPConnection) -> Response | None:
        """Return what to answer instead of the app, None when the request may pass."""
        path = connection.scope["path"]  # the URL is put together from what the Host header says
        if connection.scope["type"] == "http" and path in (LOGIN, LOGOUT, CALLBACK):
            return None
        user = _user(connection.cookies)
        if user is not None and self._login.may_enter(user):
            return None
        if connection.scope["type"] == "websocket" or path.startswith(("/api/", "/_stcore/")):
            return refused(401, "Expected somebody who is logged in; reload the page.", as_json=True)
        if user is not None:
            return turned_away(f"{user.get('email') or 'This account'} may not enter this labelmend.", LOGOUT)
        providers = [(name, encode_provider_token(name)) for name in self._login.providers]
        return logging_in("This labelmend asks who you are.", LOGIN, providers)


def _user(cookies: Mapping[str, str]) -> dict[str, Any] | None:
    """Return who is logged in, None if nobody is or the cookie was not made by this server."""
    secret = get_cookie_secret()

    def unsigned(name: str) -> bytes | None:
        return decode_signed_value(secret, name, cookies[name]) if name in cookies else None

    content = get_cookie_with_chunks(unsigned, _USER_COOKIE)
    if content is None:
        return None
    user = json.loads(content)
    return user if user.get("is_logged_in") is True else None
