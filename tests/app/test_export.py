"""What goes home: exactly the decided changes, in the format that came in, and a list of them for a spreadsheet."""

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from labelmend_app.export import (
    CHANGES_JSON_NAME,
    CHANGES_NAME,
    changes,
    changes_as_csv,
    changes_as_json,
    export,
    exported_annotations,
    is_one_file,
    writable_formats,
)
from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.ledger import Policy
from labelmend_core.types import Decision, Verdict
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

LIST = "a.jpg,0 2\r\nb.jpg, 1\nc.jpg,\n"
CLASSES = "cat\ndog\nbus\n"
Importer = Callable[..., Workspace]
P, A, U, S = Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE, Verdict.SKIP


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Importer]:
    """Makes a workspace from the text of an annotation file, and closes it after the test."""
    made: list[Workspace] = []

    def make(name: str, content: str, format_name: str, classes: str | None = None) -> Workspace:
        source, class_file = tmp_path / name, None
        source.write_bytes(content.encode())
        if classes is not None:
            class_file = tmp_path / "classes.txt"
            class_file.write_text(classes, encoding="utf-8")
        dataset = FORMATS[format_name].read(source, classes=class_file)
        places = {"image_folder": tmp_path, "source": source, "classes": class_file}
        made.append(Workspace.create(tmp_path / "workspace", dataset, format_name=format_name, **places))
        return made[-1]

    yield make
    for workspace in made:
        workspace.close()


@pytest.fixture
def listed(imported: Importer) -> Workspace:
    return imported("train.txt", LIST, "list", CLASSES)


def decide(workspace: Workspace, *said: tuple[int, int, Verdict], reviewer: str = "Anna") -> None:
    client = f"client-{reviewer}-{workspace.ledger.count()}"
    workspace.ledger.append(
        [
            Decision(client, seq, image, k, verdict, reviewer, datetime(2026, 3, 1, 10, seq, tzinfo=UTC))
            for seq, (image, k, verdict) in enumerate(said, 1)
        ]
    )


def rows(table: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode("utf-8"), newline="")))


def test_the_export_holds_exactly_the_decided_changes(listed: Workspace, tmp_path: Path) -> None:
    decide(listed, (0, 1, P), (0, 2, A), (1, 1, P), (1, 0, A), (2, 0, U), (2, 1, S))
    written = export(listed, tmp_path / "out")
    assert [path.name for path in written] == ["train.txt", CHANGES_JSON_NAME, CHANGES_NAME]
    assert written[0].read_bytes() == b"a.jpg,0 1\r\nb.jpg, 1\nc.jpg,\n"
    assert written[2].read_text(encoding="utf-8") == (
        "image,class,before,after,reviewer,decided_at,adjudicated,score\n"
        "a.jpg,dog,unobserved,present,Anna,2026-03-01T10:01:00Z,False,\n"
        "a.jpg,bus,present,absent,Anna,2026-03-01T10:02:00Z,False,\n"
        "b.jpg,cat,unobserved,absent,Anna,2026-03-01T10:04:00Z,False,\n"
    )


def test_without_a_decision_the_file_goes_home_byte_for_byte(listed: Workspace, tmp_path: Path) -> None:
    annotations, _, table = export(listed, tmp_path / "out")
    assert annotations.read_bytes() == LIST.encode()
    assert rows(table.read_bytes()) == [
        ["image", "class", "before", "after", "reviewer", "decided_at", "adjudicated", "score"]
    ]


def test_neither_the_source_nor_its_kept_copy_is_touched(listed: Workspace, tmp_path: Path) -> None:
    decide(listed, (0, 1, P))
    export(listed, tmp_path / "out")
    assert (tmp_path / "train.txt").read_bytes() == listed.source.read_bytes() == LIST.encode()
    with pytest.raises(InputError, match="source"):
        export(listed, listed.source.parent)


def test_the_policy_says_whose_word_counts_and_who_is_named(listed: Workspace) -> None:
    decide(listed, (2, 0, P), reviewer="Anna")
    decide(listed, (2, 0, P), reviewer="Ben")
    decide(listed, (2, 0, A), reviewer="Cem")
    latest, majority = changes(listed, Policy.LATEST), changes(listed, Policy.MAJORITY)
    assert latest[["after", "reviewer"]].to_numpy().tolist() == [["absent", "Cem"]]
    assert majority[["after", "reviewer"]].to_numpy().tolist() == [["present", "Ben"]]
    assert changes(listed, Policy.UNANIMOUS).empty
    settles = Decision("client-dora", 1, 2, 0, P, "Dora", datetime(2026, 3, 1, tzinfo=UTC), adjudicates=True)
    listed.ledger.append([settles])
    for policy in Policy:
        assert changes(listed, policy)[["after", "reviewer", "adjudicated"]].to_numpy().tolist() == [
            ["present", "Dora", True]
        ]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_spreadsheet_meets_no_formula(imported: Importer, first: str) -> None:
    name = first + 'HYPERLINK("http://evil.example","x")'
    reviewer = name if first in "=+-@" else "Anna"
    # A class file cannot hold a line break inside a name, COCO's JSON can.
    source = {"images": [{"id": 1, "file_name": "-1.jpg"}], "annotations": [], "categories": [{"id": 7, "name": name}]}
    workspace = imported("instances.json", json.dumps(source), "coco")
    decide(workspace, (0, 0, P), reviewer=reviewer)
    header, row = rows(changes_as_csv(changes(workspace)))
    assert dict(zip(header, row, strict=True))["image"] == "'-1.jpg"
    assert all(not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)
    assert row[1] == "'" + name


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "a\"b'c,d", "كلب", "🐕‍🦺", "x" * 200, "../../etc/passwd", "{0}%s"]
)
def test_hostile_class_names_come_back_as_they_are(imported: Importer, name: str) -> None:
    workspace = imported("train.txt", "a.jpg,\nb.jpg,0\n", "list", f"{name}\n")
    decide(workspace, (0, 0, P))
    assert rows(changes_as_csv(changes(workspace)))[1][1] == name
    assert exported_annotations(workspace) == b"a.jpg,0\nb.jpg,0\n"


def test_a_box_format_goes_home_as_one_archive_with_its_additions(imported: Importer) -> None:
    source = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
    }
    workspace = imported("instances.json", json.dumps(source), "coco")
    decide(workspace, (1, 1, P), (0, 0, A))
    assert not is_one_file(workspace)
    with zipfile.ZipFile(io.BytesIO(exported_annotations(workspace))) as archive:
        assert sorted(archive.namelist()) == [
            "instances.json",
            "labelmend_additions.json",
            "labelmend_box_tasks.json",
            "labelmend_box_tasks.xml",
            CHANGES_NAME,
            CHANGES_JSON_NAME,
        ]
        assert json.loads(archive.read("instances.json"))["annotations"] == []
        assert json.loads(archive.read("labelmend_additions.json"))["additions"] == [{"image": "b.jpg", "class": "dog"}]


def test_a_second_export_replaces_the_first(listed: Workspace, tmp_path: Path) -> None:
    decide(listed, (2, 0, P))
    export(listed, tmp_path / "out")
    decide(listed, (2, 0, A))
    annotations, _, table = export(listed, tmp_path / "out")
    assert annotations.read_bytes() == LIST.encode()
    assert rows(table.read_bytes())[1][:4] == ["c.jpg", "cat", "unobserved", "absent"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [CHANGES_NAME, CHANGES_JSON_NAME, "train.txt"]


def test_a_full_disk_leaves_the_earlier_export_whole(
    listed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(listed, (2, 0, P))
    before = [path.read_bytes() for path in export(listed, tmp_path / "out")]
    decide(listed, (2, 1, P))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkspaceError, match="the disk is full"):
        export(listed, tmp_path / "out")
    assert [(tmp_path / "out" / name).read_bytes() for name in ("train.txt", CHANGES_JSON_NAME, CHANGES_NAME)] == before
    assert len(list((tmp_path / "out").iterdir())) == 3


def screen(workspace: Workspace, **address: str) -> AppTest:
    def script(folder: str) -> None:
        from pathlib import Path

        from labelmend_app.screens import export
        from labelmend_core.workspace import Workspace

        opened = Workspace.open(Path(folder))
        try:
            export.render(opened)
        finally:
            opened.close()

    test = AppTest.from_function(script, kwargs={"folder": str(workspace.folder)}, default_timeout=600)
    for name, value in address.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def test_the_screen_says_what_to_do_while_nothing_changes(listed: Workspace) -> None:
    assert "Review" in screen(listed).info[0].value


def test_the_screen_counts_every_sort_of_change(listed: Workspace) -> None:
    decide(listed, (0, 1, P), (0, 2, A), (1, 1, P), (1, 0, A), (2, 2, A), (2, 0, U))
    test = screen(listed)
    counted = {metric.label: metric.value for metric in test.metric}
    assert counted == {"Labels added": "1", "Labels removed": "1", "Verified absent": "2", "Confirmed as given": "1"}
    assert test.dataframe[-1].value["class"].tolist() == ["dog", "bus", "cat", "bus"]


def test_the_policy_is_in_the_address(listed: Workspace) -> None:
    decide(listed, (2, 0, P), reviewer="Anna")
    decide(listed, (2, 0, A), reviewer="Ben")
    assert screen(listed).metric[2].value == "1"
    assert screen(listed, policy="Unanimous").metric[2].value == "0"


def test_a_list_goes_home_as_a_table_that_holds_verified_negatives(listed: Workspace, tmp_path: Path) -> None:
    decide(listed, (0, 1, P), (1, 0, A))
    assert list(writable_formats(listed)) == ["list", "csv", "csv-wide"]
    written = export(listed, tmp_path / "out", format_name="csv-wide")
    assert [path.name for path in written] == ["train_csv-wide.csv", CHANGES_JSON_NAME, CHANGES_NAME]
    again = FORMATS["csv-wide"].read(written[0])
    assert again.given_labels == listed.corrected_labels()
    with pytest.raises(InputError, match="list, csv, csv-wide"):
        export(listed, tmp_path / "out", format_name="coco")


def test_every_format_says_what_it_loses(imported: Importer) -> None:
    source = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": [{"id": 7, "name": " cat"}]}
    (own,) = writable_formats(imported("instances.json", json.dumps(source), "coco")).items()
    assert own[0] == "coco", "a table would lose the space of the name"
    assert "labelmend_additions.json" in own[1]
    assert "Verified negatives cannot be held" in own[1]


def test_a_change_says_how_likely_it_was_when_it_was_suggested(listed: Workspace) -> None:
    run_id = listed.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    row = {"image_index": 2, "class_index": 0, "kind": "missing", "rank": 1, "label_quality": 0.1}
    listed.queue.save(
        run_id, pd.DataFrame([row | {"error_probability": 0.87654, "low": 0.8, "high": 1.0, "reason": {}}])
    )
    (suggestion,) = listed.queue.of_run(run_id)
    answer = Decision("c", 1, 2, 0, P, "Anna", datetime(2026, 3, 1, tzinfo=UTC), suggestion_id=suggestion.suggestion_id)
    listed.ledger.append([answer])
    decide(listed, (0, 1, P))

    assert changes(listed)["score"].fillna(-1).tolist() == [-1, 0.8765]


def test_changes_go_home_as_json_with_every_text_as_it_is(imported: Importer) -> None:
    workspace = imported("train.txt", "=a.jpg,\n", "list", "<b>🐕\n")
    decide(workspace, (0, 0, P), reviewer='Ann"a')
    (row,) = json.loads(changes_as_json(changes(workspace)))
    assert row == {
        "image": "=a.jpg", "class": "<b>🐕", "before": "unobserved", "after": "present",
        "reviewer": "Ann\"a", "decided_at": "2026-03-01T10:01:00Z",
        "adjudicated": False, "score": None,
    }  # fmt: skip


def test_the_preview_shows_a_class_of_the_address_with_its_pictures(listed: Workspace) -> None:
    decide(listed, (0, 1, P), (1, 0, A), (2, 1, P))
    table = screen(listed, **{"class": "1"}).dataframe[-1].value
    assert table["class"].tolist() == ["dog", "dog"]
    assert [picture.split("?")[0] for picture in table["picture"]] == ["/api/thumbnail/0", "/api/thumbnail/2"]
    assert len(screen(listed, **{"class": "99"}).dataframe[-1].value) == 3


def test_the_format_of_the_address_is_in_the_command(listed: Workspace) -> None:
    test = screen(listed, format=FORMATS["csv-wide"].title)
    assert test.code[0].value.endswith("--policy latest --format csv-wide")
