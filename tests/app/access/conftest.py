"""A server that asks for a token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

TOKEN = "0123456789abcdef0123456789abcdef"
Server = Any  # of conftest.py above, which pytest imports and nobody else can


@dataclass
class Guarded:
    """A server with a token, as `Server` asks it."""

    server: Server
    token: str
    process: Any


@pytest.fixture(scope="session")
def start_guarded(
    server: Server, start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Guarded]:
    file = tmp_path_factory.mktemp("guarded") / "token"
    file.write_text(TOKEN + "\n", encoding="ascii")

    def start() -> Guarded:
        process, host = start_server(server.workspace.folder, 0, f", token_file=Path({str(file)!r})")
        return Guarded(type(server)(server.workspace, host, process), TOKEN, process)

    return start


@pytest.fixture(scope="session")
def guarded(start_guarded: Callable[[], Guarded]) -> Guarded:
    return start_guarded()
