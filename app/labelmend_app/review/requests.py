"""What all routes under `/api/` have in common: reading a request with suspicion, answering with one sentence."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from labelmend_app.whole_number import whole_number
from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.types import Kind

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
NEVER = {"Cache-Control": "no-store"}
MAX_BODY = 1 << 20


class RequestError(Exception):
    """A request that is answered with one sentence and a status of 400 to 499."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def answered(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Turn the errors that a person can mend into one sentence in JSON."""

    async def handle(request: Request) -> Response:
        try:
            response: Response = await endpoint(request)
        except RequestError as error:
            return _error(error.status, str(error))
        except InputError as error:
            return _error(422, str(error))
        except WorkspaceError as error:
            return _error(503, str(error))
        return response

    return handle


def _error(status: int, sentence: str) -> JSONResponse:
    if not sentence.endswith((".", "?")):
        sentence += "."
    return JSONResponse({"error": sentence}, status_code=status, headers=NEVER)


def integer(query: Mapping[str, str], name: str, low: int, high: int, default: int | None = None) -> int:
    """Return a whole number of the query.

    Raises:
        RequestError: it is not there, no number, or not in low…high.
    """
    text = query.get(name)
    if text is None and default is not None:
        return default
    number = whole_number(text, high, least=low)
    if number is None:
        raise RequestError(400, f"Expected {name} to be a whole number in {low}…{high}, got {(text or '')[:40]!r}.")
    return number


def kind_of(query: Mapping[str, str]) -> Kind:
    """Return the kind of error that a query is about.

    Raises:
        RequestError: it names none.
    """
    kind = query.get("kind", "")
    if kind not in tuple(Kind):
        raise RequestError(400, f"Expected kind to be one of {', '.join(Kind)}, got {kind[:40]!r}.")
    return Kind(kind)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return whether a query sets something: 1, where 0 and nothing do not.

    Raises:
        RequestError: it says something else, which must not be taken for either.
    """
    return bool(integer(query, name, 0, 1, default=0))


async def own_json(request: Request, what: str) -> bytes:
    """Return the body of a request that writes, if our own page sent it as JSON.

    Args:
        request: that writes something.
        what: it brings, for the sentence that refuses it.

    Raises:
        RequestError: another site sent it, it is no JSON message, or it is too long.
    """
    # Another site's script or form carries another Origin, or none.
    origin = urlsplit(request.headers.get("origin", ""))
    if origin.scheme not in ("http", "https") or origin.netloc != request.headers.get("host", ""):
        raise RequestError(403, f"Expected {what} from the review page itself, got them from another origin.")
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise RequestError(415, f"Expected {what} as application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise RequestError(413, f"Expected at most {MAX_BODY} bytes of {what} in one request.")
    return bytes(body)
