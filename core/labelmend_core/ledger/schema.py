"""The tables of a workspace's database.

Decisions are only ever appended: triggers refuse to update or delete one.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
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
    false,
)

# On PostgreSQL as SQLite has them: 64 bits, and text in the order of its bytes whatever language the server speaks.
_Integer = Integer().with_variant(BigInteger(), "postgresql")
_Text = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", _Integer, primary_key=True, autoincrement=False))

classes = Table(
    "classes",
    metadata,
    Column("class_index", _Integer, primary_key=True, autoincrement=False),
    Column("name", _Text, nullable=False, unique=True),
)

images = Table(
    "images",
    metadata,
    Column("image_index", _Integer, primary_key=True, autoincrement=False),
    Column("image_id", _Text, nullable=False, unique=True),
    Column("path", _Text, nullable=False),  # relative to the image folder
    Column("split", _Text, CheckConstraint("split IN ('train', 'validation')"), nullable=False),
    Column("problem", _Text),  # why the image cannot be read; NULL when it can or nobody tried
)

given_labels = Table(
    "given_labels",
    metadata,
    Column("image_index", ForeignKey("images.image_index"), primary_key=True),
    Column("class_index", ForeignKey("classes.class_index"), primary_key=True),
    Column("value", _Integer, CheckConstraint("value IN (-1, 1)"), nullable=False),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", _Text, primary_key=True),
    Column("created_at", DateTime, nullable=False),
    Column("mode", _Text, nullable=False),
    Column("loss", _Text, nullable=False),
    Column("status", _Text, nullable=False),
    Column("labels", _Text, nullable=False),  # "given" or "corrected"
    Column("n_decisions", _Integer, nullable=False),  # decisions in the ledger when it started
    Column("settings", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("pid", _Integer),  # process that trains it
    Column("process_started", Float),  # seconds after boot: a later process may get the same pid
)

suggestions = Table(
    "suggestions",
    metadata,
    Column("suggestion_id", _Integer, primary_key=True, autoincrement=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("image_index", ForeignKey("images.image_index"), nullable=False),
    Column("class_index", ForeignKey("classes.class_index"), nullable=False),
    Column("kind", _Text, CheckConstraint("kind IN ('missing', 'spurious')"), nullable=False),
    Column("rank", _Integer, nullable=False),
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

# Cells drawn at random before anybody answered: they say what is left beside the suggestions. Never a suggestion of
# their own; a decision on one carries no suggestion_id.
audit_cells = Table(
    "audit_cells",
    metadata,
    Column("audit_id", _Integer, primary_key=True, autoincrement=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("image_index", ForeignKey("images.image_index"), nullable=False),
    Column("class_index", ForeignKey("classes.class_index"), nullable=False),
    Column("kind", _Text, CheckConstraint("kind IN ('missing', 'spurious')"), nullable=False),
    Column(
        "inclusion_probability",
        Float,
        CheckConstraint("inclusion_probability > 0 AND inclusion_probability <= 1"),
        nullable=False,
    ),
    Column("error_probability", Float, nullable=False),  # when it was drawn
    Column("place", _Integer, nullable=False),  # rank of the suggestion that it is shown after
    Column("again", _Integer, nullable=False),  # the same for the second time that it is asked
    UniqueConstraint("run_id", "image_index", "class_index"),
    Index("audit_queue", "run_id", "kind", "class_index"),
    sqlite_autoincrement=True,
)

reviewers = Table(
    "reviewers",
    metadata,
    Column("name", _Text, primary_key=True),
    Column("created_at", DateTime, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", _Integer, primary_key=True, autoincrement=True),
    Column("client", _Text, nullable=False),
    Column("seq", _Integer, nullable=False),
    Column("image_index", ForeignKey("images.image_index"), nullable=False),
    Column("class_index", ForeignKey("classes.class_index"), nullable=False),
    Column(
        "verdict", _Text, CheckConstraint("verdict IN ('present', 'absent', 'unsure', 'skip', 'undo')"), nullable=False
    ),
    Column("reviewer", ForeignKey("reviewers.name"), nullable=False),
    Column("decided_at", DateTime, nullable=False),
    Column("suggestion_id", ForeignKey("suggestions.suggestion_id")),
    Column("undoes_client", _Text),
    Column("undoes_seq", _Integer),
    Column("adjudicates", Boolean, nullable=False, server_default=false()),  # settles what others disagree on
    UniqueConstraint("client", "seq"),
    CheckConstraint("NOT adjudicates OR verdict IN ('present', 'absent')"),
    CheckConstraint("(verdict = 'undo') = (undoes_client IS NOT NULL AND undoes_seq IS NOT NULL)"),
    Index("decision_cell", "class_index", "image_index", "reviewer"),  # covers the search for cells of several
    Index("decision_undone", "undoes_client", "undoes_seq"),
    Index("decision_suggestion", "suggestion_id"),  # or deleting a suggestion would scan all decisions
    sqlite_autoincrement=True,
)

# What was set for the whole workspace, whoever works on it: the share of cells that is asked twice, for instance.
preferences = Table(
    "preferences", metadata, Column("name", _Text, primary_key=True), Column("value", JSON, nullable=False)
)

# A decision stands until an undo names it. Used by every query that asks what is still open.
standing_decisions = TableClause(
    "standing_decisions",
    *(
        column(name)
        for name in (
            "decision_id",
            "client",
            "seq",
            "image_index",
            "class_index",
            "verdict",
            "reviewer",
            "decided_at",
            "suggestion_id",
            "adjudicates",
        )
    ),
)
