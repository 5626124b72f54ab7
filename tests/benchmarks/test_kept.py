"""What a stopped benchmark has measured already: taken again of the same code only."""

from pathlib import Path

from labelmend_app.benchmarks.kept import KeptRecords, code_of

LOSSES, MODELS = ("labelmend_core.losses",), ("labelmend_core.models",)


def test_a_record_is_measured_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def measure() -> dict[str, int]:
        calls.append(1)
        return {"n": len(calls)}

    path = tmp_path / "kept.jsonl"
    assert KeptRecords(path, LOSSES)(["a"], measure) == KeptRecords(path, LOSSES)(["a"], measure) == {"n": 1}
    assert KeptRecords(path, LOSSES)(["b"], measure) == {"n": 2}
    assert KeptRecords(path, MODELS)(["a"], measure) == {"n": 3}  # what other code measured is another thing
    assert KeptRecords(None, LOSSES)(["a"], measure) == {"n": 4}


def test_records_of_an_earlier_layout_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_text('{"what": "a", "result": 1}\n')
    assert KeptRecords(path, LOSSES)(["a"], lambda: 2) == 2


def test_the_code_of_a_package_and_of_a_module_differ_from_those_of_others() -> None:
    named = [LOSSES, MODELS, ("labelmend_core.metrics",), ("labelmend_core.types",), (*LOSSES, "labelmend_core.types")]
    assert len({code_of(one) for one in named}) == 5
