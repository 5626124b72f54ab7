"""`labelmend find`: everybody's labels and probabilities in, a table out."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from labelmend_app import issue_files
from labelmend_core import Dynamics, LabelMatrix, find_label_issues

N, K = 120, 4
NAMES = ["ant", "bee", "cow", "=1+1"]
IMAGES = [f"{i:03d}.jpg" for i in range(N)]


@pytest.fixture(scope="module")
def own() -> tuple[np.ndarray, np.ndarray]:
    """Given labels with drops, additions and verified negatives, and float16 probabilities."""
    rng = np.random.default_rng(0)
    truth = rng.random((N, K)) < 0.4
    given = np.where(rng.random((N, K)) < 0.75, np.where(truth, 1, -1), 0).astype(np.int8)
    given[rng.random((N, K)) < 0.05] = 1
    p = 1 / (1 + np.exp(-(np.where(truth, 2, -2) + rng.normal(0, 1, (N, K)))))
    return given, p.astype(np.float16)


def _save_labels(name: str, folder: Path, given: np.ndarray) -> Path:
    path = folder / name
    frame = pd.DataFrame(given, columns=NAMES)
    frame.insert(0, "image", IMAGES)
    if path.suffix == ".npy":
        np.save(path, given)
    elif path.suffix == ".npz":
        sparse.save_npz(path, sparse.csr_array(given))
    elif "long" in name:
        long = frame.melt(id_vars="image", var_name="label")
        long.to_parquet(path) if path.suffix == ".parquet" else long.to_csv(path, index=False)
    else:
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def _save_probs(name: str, folder: Path, p: np.ndarray) -> Path:
    path = folder / name
    frame = pd.DataFrame(p.astype(np.float32), columns=NAMES)
    frame.insert(0, "image", IMAGES)
    if path.suffix == ".npy":
        np.save(path, p)
    elif path.suffix == ".npz":
        sparse.save_npz(path, sparse.csr_array(p.astype(np.float32)))
    else:
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


@pytest.fixture
def class_file(tmp_path: Path) -> Path:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(NAMES), encoding="utf-8")
    return path


def _same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found.astype({"image": str, "class": str, "kind": str}), expected, check_dtype=False)


LABEL_FILES = ("l.npy", "l.npz", "l.parquet", "long.parquet", "wide.csv", "long.csv")


@pytest.mark.parametrize("probs", ["p.npy", "p.npz", "p.parquet", "p.csv"])
@pytest.mark.parametrize("labels", LABEL_FILES)
def test_every_kind_of_file_gives_the_same_issues(labelmend, own, class_file, labels: str, probs: str) -> None:
    given, p = own
    out = labelmend.folder / "found.jsonl"
    files = _save_labels(labels, labelmend.folder, given), _save_probs(probs, labelmend.folder, p)
    done = labelmend(
        "find", "--labels", files[0], "--probs", files[1], "--classes", class_file, "--out", out,
        "--min-probability", "0.2", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    named = labels[-3:] not in ("npy", "npz") or probs[-3:] not in ("npy", "npz")
    ids = IMAGES if named else [str(i) for i in range(N)]
    expected = find_label_issues(given, p, class_names=NAMES, image_ids=ids, min_probability=0.2)
    _same(pd.read_json(out, lines=True, dtype={"image": str}, precise_float=True), expected)
    assert done.json["issues"] == len(expected) > 20


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl"])
def test_every_kind_of_table_is_written_in_parts(labelmend, own, class_file, monkeypatch, suffix: str) -> None:
    monkeypatch.setattr(issue_files, "_ROWS", 7)
    given, p = own
    labels, probs = _save_labels("wide.csv", labelmend.folder, given), _save_probs("p.npy", labelmend.folder, p)
    out = labelmend.folder / f"found{suffix}"
    for least, top in ((0.3, 5), (1, 1)):
        done = labelmend(
            "find", "--labels", labels, "--probs", probs, "--out", out, "--min-probability", least, "--top", top
        )
        assert done.code == 0, done.err
        expected = find_label_issues(given, p, class_names=NAMES, image_ids=IMAGES, min_probability=least, top=top)
        if suffix == ".csv":
            expected["class"] = expected["class"].str.replace("=", "'=")  # no formula for a spreadsheet
            found = pd.read_csv(out)
        elif suffix == ".parquet":
            found = pd.read_parquet(out)
        else:
            text = out.read_text(encoding="utf-8")
            rows = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
            found = pd.DataFrame(rows, columns=expected.columns)
        _same(found, expected.astype({"image": str, "class": str, "kind": str}))


def test_embeddings_and_dynamics_are_used(labelmend, own) -> None:
    given, p = own
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(N, 6)).astype(np.float16)
    arrays = {field.name: rng.random((N, K)).astype(np.float16) for field in fields(Dynamics)}
    folder = labelmend.folder / "dynamics"
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(labelmend.folder / "e.npy", embeddings)
    labels, probs = _save_labels("l.npy", labelmend.folder, given), _save_probs("p.npy", labelmend.folder, p)
    out = labelmend.folder / "found.parquet"
    done = labelmend(
        "find", "--labels", labels, "--probs", probs, "--out", out, "--min-probability", "0",
        "--embeddings", labelmend.folder / "e.npy", "--dynamics", folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    expected = find_label_issues(given, p, embeddings=embeddings, dynamics=Dynamics(**arrays), min_probability=0)
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, check_dtype=False)
    (folder / "flips.npy").unlink()
    done = labelmend("find", "--labels", labels, "--probs", probs, "--dynamics", folder)
    assert done.code == 2
    assert "flips.npy" in done.err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--out": "found.txt"}, (".csv, .parquet, .json, .jsonl", "found.txt")),
        ({"--probs": "none.npy"}, ("none.npy", "nothing is there")),
        ({"--labels": "none.csv"}, ("none.csv",)),
        ({"--embeddings": "l.npy", "--probs": "half.npy"}, ("(120, 4)", "half.npy", "(60, 4)")),
        ({"--embeddings": "half.npy"}, ("embeddings", "(120, n_features)", "(60, 4)")),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_writes_nothing(labelmend, own, changed, words) -> None:
    given, p = own
    _save_labels("l.npy", labelmend.folder, given)
    _save_probs("p.npy", labelmend.folder, p)
    np.save(labelmend.folder / "half.npy", p[:60])
    files = {"--labels": "l.npy", "--probs": "p.npy", "--out": "found.csv"} | changed
    before = sorted(labelmend.folder.iterdir())
    done = labelmend("find", *(part for name, file in files.items() for part in (name, labelmend.folder / file)))
    assert done.code == 2
    assert all(word in done.err for word in words)
    assert len(done.err.strip().splitlines()) == 1
    assert sorted(labelmend.folder.iterdir()) == before


def test_torch_is_not_imported(labelmend, own) -> None:
    given, p = own
    labels, probs = _save_labels("l.npz", labelmend.folder, given), _save_probs("p.parquet", labelmend.folder, p)
    code = (
        "import sys; from labelmend_app.cli import app;"
        "app(sys.argv[1:], standalone_mode=False); assert 'torch' not in sys.modules, 'torch'"
    )
    arguments = ["find", "--labels", labels, "--probs", probs, "--out", labelmend.folder / "found.csv"]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    assert (labelmend.folder / "found.csv").exists()


def test_a_column_major_file_gives_the_top_of_each_class(labelmend) -> None:
    shape = (2_000, 50)
    rng = np.random.default_rng(4)
    p = rng.random(shape).astype(np.float16)
    np.save(labelmend.folder / "p.npy", np.asfortranarray(p))
    labels = LabelMatrix.from_dense((p > 0.9).astype(np.int8))
    np.save(labelmend.folder / "l.npy", labels.dense())
    done = labelmend(
        "find", "--labels", labelmend.folder / "l.npy", "--probs", labelmend.folder / "p.npy",
        "--out", labelmend.folder / "found.parquet", "--top", "3", "--min-probability", "0", "--json",
    )  # fmt: skip
    assert done.json["issues"] == 2 * 3 * shape[1]
