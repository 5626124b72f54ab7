"""fiftyone, imported once it is clear which database it talks to: it connects while it is imported."""

import atexit
import gc
import json
import os
import warnings
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from labelmend_app.fiftyone_bridge.mongod import Mongod, find_mongod
from labelmend_core.errors import WorkspaceError

URI_VARIABLE = "FIFTYONE_DATABASE_URI"
_PATIENCE_MS = 3_000  # fiftyone itself would wait for 35 s
_DEFAULTS = {
    "FIFTYONE_DO_NOT_TRACK": "true",
    "FIFTYONE_DATABASE_VALIDATION": "false",  # it would write to the admin database
    "FIFTYONE_LOGGING_LEVEL": "WARNING",
}
_connected: dict[str, ModuleType] = {}


def connect(folder: Path) -> ModuleType:
    """Return fiftyone, connected to the user's database or else to one in the folder of a workspace.

    The user's is that of `FIFTYONE_DATABASE_URI` or of the settings of fiftyone. One in the workspace is ended when
    this process ends.

    Raises:
        WorkspaceError: there is no database, it does not answer, or fiftyone is connected to another one.
    """
    uri = _named_uri()
    if uri is None:
        place = str((folder / "fiftyone").resolve())
        if place not in _connected:
            _refuse_another(place)
            server = Mongod(Path(place))
            uri = server.join()
            # Before fiftyone registers its own: the last one in is called first, and it asks the database.
            atexit.register(server.leave)
            os.environ[URI_VARIABLE] = uri
            try:
                _connected[place] = _import_fiftyone()
            finally:
                del os.environ[URI_VARIABLE]
            # Processes that fiftyone starts, the App's server, look here.
            os.environ["FIFTYONE_PRIVATE_DATABASE_PORT"] = uri.rsplit(":", 1)[1]
        return _connected[place]
    if uri not in _connected:
        _refuse_another(uri)
        _require_answer(uri)
        _connected[uri] = _import_fiftyone()
    return _connected[uri]


def connect_to_own() -> ModuleType:
    """Return fiftyone, connected to the database in which the user's datasets are.

    Raises:
        WorkspaceError: there is none, or it does not answer.
    """
    uri = _named_uri()
    if uri is None:
        find_mongod()
        uri = ""
    if uri not in _connected:
        _refuse_another(uri)
        if uri:
            _require_answer(uri)
        _connected[uri] = _import_fiftyone()
    return _connected[uri]


def _named_uri() -> str | None:
    """Return the address of the database that the user has named, None when there is none."""
    return setting("database_uri", URI_VARIABLE)


def setting(name: str, variable: str) -> str | None:
    """Return a setting of fiftyone from a variable of the environment or its file, None when there is none.

    Raises:
        WorkspaceError: the file is damaged.
    """
    if os.environ.get(variable):
        return os.environ[variable]
    settings = Path(os.environ.get("FIFTYONE_CONFIG_PATH", Path.home() / ".fiftyone" / "config.json"))
    if not settings.is_file():
        return None
    try:
        named = json.loads(settings.read_text(encoding="utf-8")).get(name)
    except (json.JSONDecodeError, AttributeError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"Expected the settings of fiftyone in {settings}, but they cannot be read.") from error
    return str(named) if named else None


def _refuse_another(place: str) -> None:
    if _connected and place not in _connected:
        raise WorkspaceError(
            "Expected one database of FiftyOne in a process, but this one is connected to another; "
            "restart labelmend to go on with this workspace."
        )


def _require_answer(uri: str) -> None:
    """Ask a database for a sign of life."""
    import pymongo
    from pymongo.errors import PyMongoError

    try:
        client: pymongo.MongoClient[dict[str, object]]
        with pymongo.MongoClient(uri, serverSelectionTimeoutMS=_PATIENCE_MS, connectTimeoutMS=_PATIENCE_MS) as client:
            client.admin.command("ping")
    except (PyMongoError, ValueError) as error:
        raise WorkspaceError(
            f"Expected a MongoDB at {_without_password(uri)}, as {URI_VARIABLE} or the settings of fiftyone say, but "
            "it does not answer; start it, mend the address, or unset it to use the one that came with fiftyone."
        ) from error


def _without_password(uri: str) -> str:
    """Return an address that may be shown.

    Example:
        >>> _without_password("mongodb://ann:secret@db.example:27017/x")
        'mongodb://db.example:27017/x'
    """
    host = urlsplit(uri).netloc
    return uri.replace(host, host.rsplit("@", 1)[-1], 1) if host else uri


def _import_fiftyone() -> ModuleType:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that fiftyone uses: none of them is ours to mend
        import fiftyone
    # Hundreds of thousands of objects that stay as long as the process: each collection of garbage would look at them
    # all, for a fifth of a second.
    gc.freeze()
    atexit.register(gc.unfreeze)  # or nanobind, under triton, complains of leaks when the process ends
    module: ModuleType = fiftyone
    return module
