"""Guidelines of a class: kept whole in the workspace, never over somebody else's words, and only by our own page."""

from typing import Any

import pytest

from labelmend_app.guidelines.files import LONGEST, MOST_EXAMPLES
from labelmend_app.review.api import workspace_key
from labelmend_core.workspace import Workspace

Client = Any  # of conftest.py, which pytest imports and nobody else can
HOSTILE = "# Cats 🐈\n<img src=x onerror=alert(1)> ![x](https://evil.example/x.png)\r\n"


@pytest.fixture
def said(client: Client, workspace: Workspace) -> Any:
    """Posts to the guidelines of class 0."""
    return lambda **message: client.post("/api/guidelines/0", {"workspace": workspace_key(workspace), **message})


def test_a_text_is_kept_as_it_was_written(client: Client, workspace: Workspace, said: Any) -> None:
    assert client.get("/api/guidelines/0").json == {"text": "", "examples": []}
    assert said(text=HOSTILE, before="").json["text"] == HOSTILE
    assert client.get("/api/guidelines/0").json["text"] == HOSTILE
    assert client.get("/api/guidelines/1").json["text"] == ""
    assert (workspace.folder / "guidelines" / "0.md").read_bytes() == HOSTILE.encode()


def test_what_somebody_else_wrote_meanwhile_is_not_lost(client: Client, said: Any) -> None:
    said(text="mine", before="")
    late = said(text="yours", before="")
    assert late.status == 422
    assert "changed them since" in late.json["error"]
    assert client.get("/api/guidelines/0").json["text"] == "mine"


def test_examples_keep_their_order_and_go_again(said: Any) -> None:
    for image in (7, 3, 7):
        found = said(image=image, shown=True).json["examples"]
    assert found == [{"image": 3, "image_id": "03.jpg"}, {"image": 7, "image_id": "07.jpg"}]
    assert [one["image"] for one in said(image=3, shown=False).json["examples"]] == [7]


def test_there_are_not_too_many_examples(said: Any) -> None:
    assert {said(image=image, shown=True).status for image in range(MOST_EXAMPLES)} == {200}
    assert "remove one" in said(image=MOST_EXAMPLES, shown=True).json["error"]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"text": "x" * (LONGEST + 1), "before": ""}, 422),
        ({"image": 40, "shown": True}, 404),
        ({"image": -1, "shown": True}, 400),
        ({"text": 3, "before": ""}, 400),
        ({"text": "x"}, 400),
        ({"text": "x", "before": "", "workspace": "0123456789abcdef"}, 409),
    ],
)
def test_what_is_no_guideline_is_refused(said: Any, client: Client, message: dict[str, Any], status: int) -> None:
    assert said(**message).status == status
    assert client.get("/api/guidelines/0").json == {"text": "", "examples": []}


def test_another_site_may_not_write(client: Client, workspace: Workspace) -> None:
    message = {"workspace": workspace_key(workspace), "text": "x", "before": ""}
    assert client.post("/api/guidelines/0", message, origin="http://evil.example").status == 403
    assert client.post("/api/guidelines/0", message, **{"content-type": "text/plain"}).status == 415
    assert client.get("/api/guidelines/3").status == 404
    assert not (workspace.folder / "guidelines").exists()


def test_a_file_that_somebody_broke_is_named(client: Client, workspace: Workspace, said: Any) -> None:
    said(image=1, shown=True)
    (workspace.folder / "guidelines" / "0.examples.json").write_text('["../x"]')
    broken = client.get("/api/guidelines/0")
    assert broken.status == 503
    assert "0.examples.json" in broken.json["error"]
