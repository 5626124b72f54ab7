"""The page of docs about FiftyOne: its commands run."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from labelmend_app.cli import app
from labelmend_core.workspace import Workspace

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "fiftyone.md"


def test_the_commands_of_the_page_run_in_their_order(fiftyone_database, workspace, tmp_path, monkeypatch) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    monkeypatch.setenv("FIFTYONE_PLUGINS_DIR", str(tmp_path / "plugins"))
    monkeypatch.setenv("LABELMEND_WORKSPACE", str(workspace.folder))
    a_dataset(fiftyone_database, tmp_path)
    for command in commands:
        name, *arguments = shlex.split(command)
        assert name == "labelmend"
        if arguments[:2] == ["fiftyone", "app"]:  # serves until it is ended: the walk in tests/browser opens it
            continue
        if arguments[0] == "import":
            monkeypatch.setenv("LABELMEND_WORKSPACE", str(tmp_path / "imported"))
        app(arguments, standalone_mode=False)
    imported = Workspace.open(tmp_path / "imported")
    assert imported.dataset.class_names == ("cat",)
    assert imported.queue.latest_run() is not None
    imported.close()


def a_dataset(fo, folder: Path) -> None:
    """Make what the page imports: images with labels, and predictions of them."""
    (folder / "photos").mkdir()
    samples = []
    for i in range(4):
        Image.new("RGB", (8, 8)).save(folder / "photos" / f"{i}.png")
        given = [fo.Classification(label="cat")] if i % 2 else []
        predicted = [fo.Classification(label="cat", confidence=0.9)]
        fields = {"ground_truth": given, "model": predicted}
        samples.append(
            fo.Sample(
                filepath=str(folder / "photos" / f"{i}.png"),
                **{name: fo.Classifications(classifications=labels) for name, labels in fields.items()},
            )
        )
    if fo.dataset_exists("my-dataset"):
        pytest.fail("another test has made my-dataset")
    fo.Dataset("my-dataset").add_samples(samples, progress=False)
