"""`labelmend bench scale` and `bench train`, small: their last line is what machines read."""

import json

import pytest

from labelmend_app.cli import main


def _last_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments, "--json"])
    assert not ended.value.code
    found: dict[str, object] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found


def test_the_store_finds_what_was_planted(capsys: pytest.CaptureFixture[str]) -> None:
    found = _last_line(capsys, "scale", "--images", "3000", "--classes", "300", "--top", "20")
    assert found["kept"] >= 3000 * 20
    assert found["bytes"] < found["dense_bytes"]
    assert found["missing_found"] > 0.9
    assert found["spurious_found"] > 0.9
    assert found["same_as_dense"] > 0.95


def test_each_loop_has_its_speed(capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--backbone", "test_resnet", "--image-size", "32", "--images", "20", "--batch-size", "8", "--rounds", "2")
    small = (*small, "--no-memory")
    found = _last_line(capsys, "train", *small)
    assert [len(found[arm]) for arm in ("ours", "bare", "pure", "files")] == [2, 2, 2, 2]
    assert min(found["ratio_to_bare_loop"], found["ratio_to_pure_compute"], found["ratio_to_files"]) > 0
