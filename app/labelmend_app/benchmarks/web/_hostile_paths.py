"""Addresses that ask for files outside the workspace, or for its database, and whether a server hands one out."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import quote

import numpy as np

_CANARY = b"canary-9f31c2a7-outside-the-workspace"
_DATABASE, _PASSWORDS = b"SQLite format 3\x00", b"root:x:0:0"

# What routes there are that take a part of the address for a name, ours and Streamlit's.
_ROUTES = (
    b"/",
    b"/api/",
    b"/api/thumbnail/",
    b"/api/image/",
    b"/api/guidelines/",
    b"/api/heat-map/",
    b"/review-grid/",
    b"/static/",
    b"/app/static/",
    b"/media/",
    b"/component/",
    b"/_stcore/bidi-components/",
    b"/_stcore/upload_file/a/",
    b"/review/",
)
_QUERIES = (
    b"/api/heat-map?run=",
    b"/api/queue?class_index=0&kind=missing&run=",
    b"/api/queue?class_index=0&kind=missing&selection=",
    b"/api/images?run=",
    b"/api/why/1?class_index=0&kind=missing&run=",
    b"/api/close-up/0?class_index=0&run=",
    b"/api/thumbnail/0?workspace=",
    b"/review?run=",
    b"/?page=",
)
# Two dots and a slash, in all the ways in which somebody may have forgotten to look for them.
_UP = (
    b"../",
    b"..%2f",
    b"%2e%2e/",
    b"%2e%2e%2f",
    b"%252e%252e%252f",
    b"..%252f",
    b"%25252e%25252e%25252f",
    b"..\\",
    b"..%5c",
    b"%2e%2e%5c",
    b"....//",
    b"..;/",
    b"..%00/",
    b"../%00",
    b".%2e/",
    b"%c0%ae%c0%ae%c0%af",
    b"%e0%80%ae%e0%80%ae%e0%80%af",
    b"\xc0\xae\xc0\xae/",
    "\uff0e\uff0e\uff0f".encode(),
    quote("\uff0e\uff0e\uff0f").encode(),
    quote("\u2024\u2024\u2215").encode(),
    quote("\u2025\u2044").encode(),
    b"..%u2215",
    b"..%09/",
    b"./.././",
    b"..//",
)
_LONG = 6_000


@dataclass(frozen=True)
class Trap:
    """Files that must not be handed out, and links in the workspace that lead to one of them.

    Args:
        canary: a file outside.
        linked: addresses whose answer is made from a file of the workspace that is a link to the canary.
    """

    canary: Path
    linked: tuple[bytes, ...]


def set_trap(workspace: Path) -> Trap:
    """Return a trap: a file beside a workspace, and links to it in the workspace, as a hostile archive brings them."""
    canary = workspace.parent / "canary.txt"
    canary.write_bytes(_CANARY)
    (workspace.parent / "0.jpg").write_bytes(_CANARY)
    for link in ("thumbnails/320/1.jpg", "thumbnails/640/2.jpg", "guidelines/0.md", "guidelines/1.examples.json"):
        (workspace / link).parent.mkdir(parents=True, exist_ok=True)
        (workspace / link).symlink_to(canary)
    (workspace / "thumbnails" / "160").symlink_to(workspace.parent, target_is_directory=True)
    linked = (
        b"/api/thumbnail/1",
        b"/api/thumbnail/2?side=640",
        b"/api/thumbnail/0?side=160",
        b"/api/guidelines/0",
        b"/api/guidelines/1",
    )
    return Trap(canary, linked)


def hostile_targets(workspace: Path, trap: Trap, number: int) -> list[bytes]:
    """Return so many different addresses, the same ones each time: a route, a way up or out, and a file."""
    files = [trap.canary.name, "workspace.db", f"{workspace.name}/workspace.db", "etc/passwd"]
    ways = list(_ways_out(files, [str(trap.canary), str(workspace / "workspace.db"), "/etc/passwd"]))
    every = {base + way for base, way in product(_ROUTES, ways)}
    every |= {base + way for base, way in product(_QUERIES, ways)}
    rest = sorted(every - set(trap.linked))
    chosen = np.random.default_rng(0).permutation(len(rest))[: number - len(trap.linked)]
    return [*trap.linked, *(rest[i] for i in chosen.tolist())][:number]


def _ways_out(files: Iterable[str], absolute: Iterable[str]) -> Iterator[bytes]:
    for up, depth, name in product(_UP, (1, 2, 4, 9), files):
        yield up * depth + name.encode()
        yield b"0.jpg/" + up * (depth + 1) + name.encode() + b"%00.jpg"
    for path in absolute:
        plain = path.encode()
        yield from (plain, b"/" + plain, b"//" + plain, quote(path, safe="").encode(), b"file://" + plain)
        yield from (plain + b"%00", plain + b"\x00.jpg", b"~root" + plain, b"%2f" + plain[1:], b"\\\\localhost" + plain)
        yield from (b"x" * _LONG + b"/../.." + plain, b"../" * (_LONG // 3) + plain[1:], b"C:" + plain)


def leaked(port: int, targets: Iterable[bytes]) -> list[bytes]:
    """Return the addresses to which the server on a port of this machine answered with what it must not hand out."""
    return [target for target in targets if any(secret in _answer(port, target) for secret in _SECRETS)]


_SECRETS = (_CANARY, _DATABASE, _PASSWORDS)


def _answer(port: int, target: bytes) -> bytes:
    """Return all that comes back; no client library would send such addresses as they are."""
    request = b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port
    answer = bytearray()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        connection.sendall(request)
        with suppress(ConnectionResetError):  # it need not read to the end what it refuses
            while part := connection.recv(1 << 16):
                answer += part
    return bytes(answer)
