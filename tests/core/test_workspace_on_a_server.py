"""A workspace keeps its database where LABELMEND_DATABASE_URL says, and never the password."""

import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from labelmend_core.errors import InputError, LabelmendError, WorkspaceError
from labelmend_core.ledger import ServerDatabase
from labelmend_core.ledger.postgresql import server_url
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict
from labelmend_core.workspace import DATABASE, SETTINGS, Workspace
from labelmend_core.workspace_settings import place_of_database, read_settings

VARIABLE = "LABELMEND_DATABASE_URL"
PASSWORD = "s3cr3t"
TRAIN = AnnotatedDataset(["a", "b"], ["a.jpg", "b.jpg"], ["cat", "dog"], LabelMatrix.from_dense([[1, 0], [0, -1]]))
PRESENT = Decision("tab", 1, 0, 1, Verdict.PRESENT, "ann", datetime(2024, 5, 1, tzinfo=UTC))


@pytest.fixture
def create(tmp_path: Path) -> Callable[..., Path]:
    """Make a workspace of two images and return its folder."""
    source = tmp_path / "labels.txt"
    source.write_text("a.jpg,0\n")

    def make(name: str = "Birds & Bees", **changes: Any) -> Path:
        arguments: dict[str, Any] = {"format_name": "list", "image_folder": tmp_path, "source": source} | changes
        Workspace.create(tmp_path / name, TRAIN, **arguments).close()
        return tmp_path / name

    return make


@pytest.fixture
def on_server(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the variable, with a password that the server does not ask for."""
    address: str = postgres.url.replace("labelmend@", f"labelmend:{PASSWORD}@")
    monkeypatch.setenv(VARIABLE, address)
    return address


def schemas_of(postgres: Any) -> set[str]:
    engine = create_engine(postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        names = set(connection.execute(text("SELECT nspname FROM pg_namespace")).scalars())
    engine.dispose()
    return names


def test_a_workspace_on_a_server_opens_again_with_its_decisions(on_server: str, create: Callable[..., Path]) -> None:
    folder = create()
    workspace = Workspace.open(folder)
    before = workspace.change_stamp()
    workspace.ledger.append([PRESENT])
    assert workspace.change_stamp() != before
    workspace.close()
    workspace = Workspace.open(folder)
    assert workspace.ledger.decisions() == [PRESENT]
    assert workspace.corrected_labels().dense().tolist() == [[1, 1], [0, -1]]
    workspace.close()


def test_the_folder_names_the_schema_and_holds_no_database_and_no_password(
    on_server: str, create: Callable[..., Path]
) -> None:
    folder = create()
    assert not (folder / DATABASE).exists()
    assert read_settings(folder).schema.startswith("labelmend_birds_bees_")
    assert read_settings(folder).version == 2, "an older labelmend says that a newer one made it"
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not [content for content in files if PASSWORD.encode() in content]


def test_without_a_server_the_settings_are_as_an_older_version_reads_them(create: Callable[..., Path]) -> None:
    written = (create() / SETTINGS).read_text()
    assert "version = 1" in written
    assert "schema" not in written


def test_workspaces_share_a_server_and_nothing_else(on_server: str, create: Callable[..., Path]) -> None:
    one, other = Workspace.open(create("one")), Workspace.open(create("other"))
    one.ledger.append([PRESENT])
    assert other.ledger.count() == 0
    one.close()
    other.close()


def test_a_workspace_that_cannot_be_made_leaves_nothing_on_the_server(
    on_server: str, create: Callable[..., Path], postgres: Any, tmp_path: Path
) -> None:
    before = schemas_of(postgres)
    with pytest.raises(InputError, match="Expected no image in both training and validation"):
        create(validation=TRAIN)
    assert schemas_of(postgres) == before
    assert not (tmp_path / "Birds & Bees").exists()


def test_a_workspace_with_a_file_is_refused_by_naming_the_cure(
    create: Callable[..., Path], postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create()
    before = (folder / DATABASE).read_bytes()
    monkeypatch.setenv(VARIABLE, postgres.url)
    with pytest.raises(WorkspaceError, match=r"copy them there with 'labelmend migrate --workspace .*Birds & Bees'"):
        Workspace.open(folder)
    assert (folder / DATABASE).read_bytes() == before


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        pytest.param("", "Expected LABELMEND_DATABASE_URL to be set", id="not set"),
        pytest.param(f"postgresql://u:{PASSWORD}@127.0.0.1:1/db", "db on 127.0.0.1:1 to answer", id="no server"),
        pytest.param(f"mysql://u:{PASSWORD}@host/db", "to be the address of a PostgreSQL database", id="another kind"),
        pytest.param(f"postgresql://u:{PASSWORD}@{PASSWORD}@host/db", "write @ : / in a user or password", id="two @"),
        pytest.param(f"postgresql://u:{PASSWORD}@host:port/db", "it cannot be read as one", id="no port"),
        pytest.param(f"postgresql://u:{PASSWORD}@host", "it cannot be read as one", id="no database"),
        pytest.param(PASSWORD, "it cannot be read as one", id="no address"),
        pytest.param(f"postgresql://u@h/d?host=/tmp&password={PASSWORD}&x=1", "LABELMEND_DATABASE_URL", id="option"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_sentence_without_the_password(
    on_server: str, create: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, address: str, sentence: str
) -> None:
    folder = create()
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(LabelmendError, match=sentence) as refused:
        Workspace.open(folder)
    assert PASSWORD not in str(refused.value)
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


def test_another_database_than_the_workspace_was_made_in_is_a_sentence_and_stays_empty(
    on_server: str, create: Callable[..., Path], postgres: Any
) -> None:
    folder = create()
    place = place_of_database(folder, read_settings(folder))
    assert isinstance(place, ServerDatabase)
    engine = create_engine(place.url)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {place.schema} CASCADE"))
    engine.dispose()
    with pytest.raises(WorkspaceError, match="but it is not there; does LABELMEND_DATABASE_URL name the right"):
        Workspace.open(folder)
    assert place.schema not in schemas_of(postgres)


@pytest.mark.parametrize("schema", ["", "Birds", "a b", 'a"; DROP', "1st", "pg_temp", "x" * 64])
def test_a_schema_that_would_need_quoting_is_refused(on_server: str, schema: str) -> None:
    url = server_url()
    assert url is not None
    with pytest.raises(InputError, match="Expected a PostgreSQL schema of small letters"):
        ServerDatabase(url, schema)


def test_a_missing_driver_is_a_sentence_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://ann@host/labels")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"run: pip install 'labelmend\[postgresql\]'"):
        server_url()
