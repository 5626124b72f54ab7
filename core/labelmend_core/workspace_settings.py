"""`labelmend.toml`: what was decided when a workspace was made, and so where its database lies."""

import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tomli_w

from labelmend_core.errors import WorkspaceError
from labelmend_core.files import replacing
from labelmend_core.ledger import Database, ServerDatabase
from labelmend_core.ledger.postgresql import URL_VARIABLE, server_url

SETTINGS = "labelmend.toml"
DATABASE = "workspace.db"
VERSION = 2
_VERSION_WITH_A_FILE = 1  # what a labelmend that knows no server opens, too


@dataclass(frozen=True)
class Settings:
    """What was decided at import.

    Attributes:
        format: name of the annotation format, as in `labelmend_datasets.formats.FORMATS`.
        image_folder: what the image paths are relative to: the absolute path of a folder or an archive, or an address.
        source: name of the annotation file (or folder) inside `source/annotations/`.
        classes: name of the class file inside `source/classes/`, empty when the format needs none.
        schema: of the PostgreSQL database in `LABELMEND_DATABASE_URL`, empty where `workspace.db` is the database.
    """

    format: str
    image_folder: str
    source: str
    classes: str = ""
    version: int = _VERSION_WITH_A_FILE
    schema: str = ""


def on_server(settings: Settings, schema: str) -> Settings:
    """Return the settings of a workspace whose database is that schema."""
    return replace(settings, schema=schema, version=VERSION)


def place_of_database(folder: Path, settings: Settings) -> Database:
    """Return where the database of a workspace lies.

    Raises:
        WorkspaceError: the file is gone, or `LABELMEND_DATABASE_URL` is set for a workspace with a file, or not set
            for one without.
    """
    url = server_url()
    if settings.schema and url is None:
        raise WorkspaceError(
            f"Expected {URL_VARIABLE} to be set, because {folder} keeps its decisions in the schema {settings.schema} "
            "on a PostgreSQL server, but it is not; set it to postgresql://USER:PASSWORD@HOST/DATABASE."
        )
    if settings.schema and url is not None:
        return ServerDatabase(url, settings.schema)
    if url is not None:
        raise WorkspaceError(
            f"Expected a workspace on the PostgreSQL server that {URL_VARIABLE} names, but {folder} keeps its "
            f"decisions in {DATABASE}; copy them there with 'labelmend migrate --workspace {folder}', or unset the "
            "variable."
        )
    if not (folder / DATABASE).is_file():
        # SQLite would make an empty one, and every decision would seem never to have been taken.
        raise WorkspaceError(f"Expected {folder / DATABASE}, but it is gone; restore it from a backup.")
    return folder / DATABASE


def read_settings(folder: Path) -> Settings:
    """Return the settings of a workspace.

    Raises:
        WorkspaceError: there is no workspace, a newer labelmend made it, or its settings cannot be read.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise WorkspaceError(
            f"Expected a labelmend workspace in {folder}, found no {SETTINGS}; "
            "make one with 'labelmend import' or name its folder with --workspace."
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        version = int(values["version"])
        if version > VERSION:
            raise WorkspaceError(
                f"Expected a workspace of version {VERSION} or older in {folder}, got {version}; "
                "it was made by a newer labelmend. Upgrade labelmend to open it."
            )
        return Settings(**values)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WorkspaceError(f"Expected {path} as labelmend wrote it, but it cannot be read: {error}") from error


def write_settings(folder: Path, settings: Settings) -> None:
    """Write the settings whole or not at all; without a server as every labelmend reads them."""
    values = {name: value for name, value in asdict(settings).items() if name != "schema" or value}
    with replacing(folder / SETTINGS) as settings_file:
        settings_file.write_text(tomli_w.dumps(values), encoding="utf-8")
