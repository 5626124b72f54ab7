"""What a stopped benchmark has measured already, as long as the code that measured it is the same."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TRAINING = ("labelmend_core.training", "labelmend_core.losses", "labelmend_core.models")
DETECTION = ("labelmend_core", "labelmend_app.benchmarks.detection")


@cache
def code_of(packages: tuple[str, ...]) -> str:
    """Return 16 hex digits that change with the source of these packages and modules."""
    digest = hashlib.sha256()
    for package in packages:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ValueError(f"Expected the name of a package or module, got {package!r}")
        folders = [Path(folder) for folder in spec.submodule_search_locations or []]
        for path in [path for folder in folders for path in sorted(folder.rglob("*.py"))] or [Path(spec.origin)]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class KeptRecords:
    """Plain records by what they are of, in a file of one JSON line each.

    Args:
        path: of the file, None keeps nothing.
        code: packages and modules that measure: what others or older ones measured is not taken for theirs.
    """

    def __init__(self, path: Path | None, code: tuple[str, ...]) -> None:
        self._path, self._code = path, code_of(code)
        self._known: dict[str, Any] = {}
        if path is not None and path.exists():
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            self._known = {line["what"]: line["record"] for line in lines if "record" in line}

    def __call__(self, what: list[Any], measure: Callable[[], Any]) -> Any:
        """Return the record of `what`, measured now if it is not kept.

        Args:
            what: plain values that say what is measured; the code is added.
            measure: returns plain values.
        """
        key = json.dumps([self._code, *what], sort_keys=True)
        if key not in self._known:
            self._known[key] = measure()
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps({"what": key, "record": self._known[key]}) + "\n")
        return self._known[key]
