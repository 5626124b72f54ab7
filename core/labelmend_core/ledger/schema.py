"""The tables of `workspace.db`, and how an older database becomes a newer one.

Decisions are only ever appended: triggers refuse to update or delete one.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    TableClause,
    Text,
    UniqueConstraint,
    column,
    inspect,
    select,
    text,
)

from labelmend_core.errors import WorkspaceError
from labelmend_core.files import replacing
from labelmend_core.ledger._faults import raise_explained

SCHEMA_VERSION = 1

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

classes = Table(
    "classes",
    metadata,
    Column("class_index", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

images = Table(
    "images",
    metadata,
    Column("image_index", Integer, primary_key=True, autoincrement=False),
    Column("image_id", Text, nullable=False, unique=True),
    Column("path", Text, nullable=False),  # relative to the image folder
    Column("split", Text, CheckConstraint("split IN ('train', 'validation')"), nullable=False),
    Column("problem", Text),  # why the image cannot be read; NULL when it can or nobody tried
)

given_labels = Table(
    "given_labels",
    metadata,
    Column("image_index", ForeignKey("images.image_index"), primary_key=True),
    Column("class_index", ForeignKey("classes.class_index"), primary_key=True),
    Column("value", Integer, CheckConstraint("value IN (-1, 1)"), nullable=False),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("created_at", DateTime, nullable=False),
    Column("mode", Text, nullable=False),
    Column("loss", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("labels", Text, nullable=False),  # "given" or "corrected"
    Column("n_decisions", Integer, nullable=False),  # decisions in the ledger when it started
    Column("settings", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("pid", Integer),  # process that trains it
    Column("process_started", Float),  # seconds after boot: a later process may get the same pid
)

suggestions = Table(
    "suggestions",
    metadata,
    Column("suggestion_id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("image_index", ForeignKey("images.image_index"), nullable=False),
    Column("class_index", ForeignKey("classes.class_index"), nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('missing', 'spurious')"), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("label_quality", Float, nullable=False),
    Column("error_probability", Float, nullable=False),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("reason", JSON, nullable=False),
    UniqueConstraint("run_id", "image_index", "class_index"),
    Index("suggestion_queue", "run_id", "class_index", "kind", "rank", "error_probability"),  # covers Queue.counts
    Index("suggestion_rank", "run_id", "kind", "rank"),
    sqlite_autoincrement=True,  # the id of one that is gone is never given out again: a page may still show it
)

reviewers = Table(
    "reviewers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", DateTime, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Integer, primary_key=True, autoincrement=True),
    Column("client", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("image_index", ForeignKey("images.image_index"), nullable=False),
    Column("class_index", ForeignKey("classes.class_index"), nullable=False),
    Column(
        "verdict", Text, CheckConstraint("verdict IN ('present', 'absent', 'unsure', 'skip', 'undo')"), nullable=False
    ),
    Column("reviewer", ForeignKey("reviewers.name"), nullable=False),
    Column("decided_at", DateTime, nullable=False),
    Column("suggestion_id", ForeignKey("suggestions.suggestion_id")),
    Column("undoes_client", Text),
    Column("undoes_seq", Integer),
    UniqueConstraint("client", "seq"),
    CheckConstraint("(verdict = 'undo') = (undoes_client IS NOT NULL AND undoes_seq IS NOT NULL)"),
    Index("decision_cell", "class_index", "image_index"),
    Index("decision_undone", "undoes_client", "undoes_seq"),
    Index("decision_suggestion", "suggestion_id"),  # or deleting a suggestion would scan all decisions
    sqlite_autoincrement=True,
)

# A decision stands until an undo names it. Used by every query that asks what is still open.
standing_decisions = TableClause(
    "standing_decisions", *(column(name) for name in ("client", "seq", "image_index", "class_index", "verdict"))
)
_STANDING = """
CREATE VIEW standing_decisions AS
SELECT d.* FROM decisions d
WHERE d.verdict <> 'undo' AND NOT EXISTS (
    SELECT 1 FROM decisions u WHERE u.undoes_client = d.client AND u.undoes_seq = d.seq
)
"""

_APPEND_ONLY = [
    f"CREATE TRIGGER decisions_refuse_{verb.lower()} BEFORE {verb} ON decisions "
    "BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END"
    for verb in ("UPDATE", "DELETE")
]

# MIGRATIONS[n] takes a database of version n to version n + 1, inside the transaction that records it.
MIGRATIONS: dict[int, Callable[[Connection], None]] = {}


def prepare(writing: Engine) -> None:
    """Create the tables in an empty database, or migrate an older one to this version in one transaction.

    Before it migrates, a copy of the database is kept beside it, as `workspace.db.version-<n>.bak`.

    Raises:
        WorkspaceError: the database is of a newer version than this program, or cannot be written.
    """
    with writing.begin() as connection:
        if not inspect(connection).has_table(schema_version.name):
            _create(connection)
        # Read under the write lock: another process may just have migrated it.
        version = found_version(connection)
        # SQLite takes the write lock of a read-only file without a word, but not a write, even of no row.
        connection.execute(schema_version.update().where(schema_version.c.version < 0).values(version=0))
        if version < SCHEMA_VERSION:
            _back_up(writing, version)
            for step in range(version, SCHEMA_VERSION):
                MIGRATIONS[step](connection)
            connection.execute(schema_version.update().values(version=SCHEMA_VERSION))


def found_version(connection: Connection) -> int:
    """Return the schema version of a database, refusing one that a newer labelmend wrote."""
    version = connection.execute(select(schema_version.c.version)).scalar_one()
    if version > SCHEMA_VERSION:
        raise WorkspaceError(
            f"Expected a workspace of schema version {SCHEMA_VERSION} or older, got {version}; "
            "it was written by a newer labelmend. Upgrade labelmend to open it."
        )
    return int(version)


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(text(_STANDING))
    if connection.dialect.name == "sqlite":
        for trigger in _APPEND_ONLY:
            connection.execute(text(trigger))
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def _back_up(engine: Engine, version: int) -> None:
    """Copy what is committed to a file of its own, while the caller holds the write lock."""
    database = Path(str(engine.url.database))
    kept = database.with_name(f"{database.name}.version-{version}.bak")
    with (
        replacing(kept) as copy,
        closing(engine.raw_connection()) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        try:
            cast(sqlite3.Connection, source.driver_connection).backup(target)
        except sqlite3.Error as error:
            raise_explained(error, str(kept))
            raise
