"""Readers fed with damaged files, each in a process of its own: `python fuzz.py MANIFEST INPUTS SEED [--guided]`.

The manifest is a JSON list of objects: `name`, `reader` (a key of `READERS`), `folder` (the sample, which is damaged in
place), `entry` (what the reader opens, within the folder). A reader may raise our own errors and nothing else, take 5 s
of processor time, and 1 GB of memory more than it had. The last line is JSON: how many inputs each reader was given,
and what went wrong, once each.

With `--guided` atheris chooses the inputs by the branches that they reach.
"""

import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

# Arrow's own pool reserves more at once than the limit of memory leaves: every table would be refused unread.
os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"

GUIDED = "--guided" in sys.argv
if GUIDED:
    import atheris

    with atheris.instrument_imports(include=["labelmend_core", "labelmend_datasets"]):
        from labelmend_app.guidelines.files import Guidelines
        from labelmend_core.errors import LabelmendError
        from labelmend_core.models.heads._class_vectors import read_class_vectors
        from labelmend_core.types import LabelMatrix
        from labelmend_core.workspace import Workspace
        from labelmend_datasets.formats import FORMATS, recognise
        from labelmend_datasets.images import decode_image
        from labelmend_datasets.labels import GivenLabels, read_labels
        from labelmend_datasets.predictions import read_predictions
else:
    from labelmend_app.guidelines.files import Guidelines
    from labelmend_core.errors import LabelmendError
    from labelmend_core.models.heads._class_vectors import read_class_vectors
    from labelmend_core.types import LabelMatrix
    from labelmend_core.workspace import Workspace
    from labelmend_datasets.formats import FORMATS, recognise
    from labelmend_datasets.images import decode_image
    from labelmend_datasets.labels import GivenLabels, read_labels
    from labelmend_datasets.predictions import read_predictions

SECONDS, BYTES = 5, 1 << 30
_LARGEST = 200_000  # bytes of a damaged file
_GIVEN = GivenLabels(LabelMatrix.empty((3, 3)), ("b.jpg", "sub/a.jpg", "ü c.jpg"), ("cat", "dog", "person"))


def _guidelines(path: Path) -> None:
    guidelines = Guidelines(path)
    guidelines.text(0)
    guidelines.examples(0)


def _recognised(path: Path) -> None:
    read_labels(path)


READERS: dict[str, Callable[[Path], object]] = {
    **{name: one.read for name, one in FORMATS.items()},
    "recognise": recognise,
    "labels": _recognised,
    "probabilities": lambda path: read_predictions(path, _GIVEN),
    "image": decode_image,
    "vectors": lambda path: read_class_vectors(path, ("cat", "dog"), 2),
    "guidelines": _guidelines,
    "workspace": lambda path: Workspace.open(path).close(),
}

_TOKENS = (
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b'"', b"'", b",", b"\\", b"\\u0000", b"\\ud800", b"\x1a"),
    *(b"[" * 3_000, b'{"a":' * 3_000, b"<a>" * 3_000, b"((((", b"]", b"}", b"null", b"true", b"{}", b"[]", b"-"),
    *(b"NaN", b"Infinity", b"-1", b"1e999", b"1" * 5_000, b"18446744073709551616", b"0x7fffffff", b"0.1", b"../../x"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<![CDATA[", b"<!--", b"&a [*a]", b"!!python/object/apply:os.system"),
    *("ü".encode(), "\u202e".encode(), "\u2028".encode(), "\u0000".encode(), b"\xc0\xaf", b"\xed\xa0\x80"),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_HUGE = (b"99999999999999999999", b"1e400", b"-1", b"4294967296", b"2147483648", b"0", b"9" * 400, b"1e-400", b"NaN")


def damaged(data: bytes, other: bytes, random: Random) -> bytes:
    """Return data with one to four things done to it; `other` lends parts."""
    for _ in range(random.choice((1, 1, 2, 4))):
        data = random.choice(_WAYS)(data, other, random)[:_LARGEST]
    return data


def _flip(data: bytes, _other: bytes, random: Random) -> bytes:
    changed = bytearray(data or b"\x00")
    for _ in range(random.choice((1, 1, 3, 20))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _set(data: bytes, _other: bytes, random: Random) -> bytes:
    changed = bytearray(data or b"\x00")
    changed[random.randrange(len(changed))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return bytes(changed)


def _cut(data: bytes, _other: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    return random.choice((data[:start], data[start:], data[:start] + data[end:]))


def _insert(data: bytes, _other: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice((random.randbytes(random.randrange(1, 20)), random.choice(_TOKENS))) + data[at:]


def _repeat(data: bytes, _other: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    return data[:end] + data[start:end] * random.choice((1, 1, 2, 50, 1_000)) + data[end:]


def _splice(data: bytes, other: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    first, last = _part(other, random)
    return data[:start] + other[first:last] + data[end:]


def _number(data: bytes, _other: bytes, random: Random) -> bytes:
    numbers = list(_NUMBER.finditer(data))
    if not numbers:
        return _set(data, b"", random)
    one = random.choice(numbers)
    return data[: one.start()] + random.choice(_HUGE) + data[one.end() :]


_WAYS = (_flip, _set, _cut, _insert, _repeat, _splice, _number)


def _part(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice((1, 4, 16, 64, 1_000)))


class Case:
    """A sample, damaged and read again and again."""

    def __init__(self, entry: Mapping[str, str]) -> None:
        self.name, self._read = entry["name"], READERS[entry["reader"]]
        self.folder = Path(entry["folder"])
        self._path = self.folder / entry["entry"]
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        self.files = {path: path.read_bytes() for path in files if path.stat().st_size}

    def refused(self) -> str | None:
        """Return why the undamaged sample is not read: then no damaged one says anything."""
        try:
            self._read(self._path)
        except Exception as error:  # noqa: BLE001 what it is is the finding
            return _described(error)
        return None

    def try_mutated(self, random: Random) -> str | None:
        """Read the sample with one file damaged; return what went wrong that must not.

        Where only the names of files count, it is a name.
        """
        if not self.files:
            name = damaged(b"cat/b.jpg", b"dog/sub/a.jpg", random)[:200].replace(b"\x00", b"").strip(b"/.")
            return self._try_name(os.fsdecode(name) or "x")
        path = random.choice(list(self.files))
        other = random.choice(list(self.files.values()))
        return self.try_bytes(path, damaged(self.files[path], other, random))

    def _try_name(self, name: str) -> str | None:
        path = self._path / name
        with suppress(OSError):  # some names cannot be
            if path.resolve().is_relative_to(self._path) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                self.files[path] = b""
                return self.try_bytes(path, b"")
        return None

    def try_bytes(self, path: Path, data: bytes) -> str | None:
        """Read the sample with other bytes in one of its files."""
        path.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # processor time: a busy machine is no hang
        try:
            self._read(self._path)
        except LabelmendError:
            return None
        except Exception as error:  # noqa: BLE001 what it is is the finding
            return _described(error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            path.write_bytes(self.files[path])
            if not self.files[path]:
                path.unlink()
                del self.files[path]
        return None

    @property
    def guided_file(self) -> Path:
        """The file that is put together byte by byte: what the reader opens, or the largest of its folder."""
        return self._path if self._path.is_file() else max(self.files, key=lambda path: len(self.files[path]))


def _described(error: BaseException) -> str:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "labelmend" in frame.filename]
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
    return f"{type(error).__name__} at {where}: {str(error)[:200]}"


class Hang(BaseException):
    """More processor time than a reader may take; no reader can take it for an error of its own."""


def _hang(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # within a library's C code Python's handler would wait for its end
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    raise Hang(f"more than {SECONDS} s")


def run(entry: Mapping[str, str], inputs: int, seed: int, out: int) -> None:
    """Try the inputs of one reader, and write what was found to a pipe, once each."""
    _limit_memory()
    case, random = Case(entry), Random(f"{seed} {entry['name']}")
    seen: set[str] = set()
    if (refused := case.refused()) is not None:
        os.write(out, json.dumps({"found": f"{case.name} undamaged: {refused}"}).encode() + b"\n")
    for number in range(inputs):
        if number % 100 == 0:
            os.write(out, json.dumps({"done": number}).encode() + b"\n")
        signal.signal(signal.SIGPROF, _hang)
        before = random.getstate()
        try:
            found = case.try_mutated(random)
        except Hang as hang:
            found = _described(hang)
        kind = None if found is None else found.partition(":")[0] + found.partition(":")[2][:6]
        if found is not None and kind is not None and kind not in seen:
            seen.add(kind)
            _keep(case, random, before, number)
            os.write(out, json.dumps({"found": f"{case.name} input {number}: {found}"}).encode() + b"\n")
    os.write(out, json.dumps({"done": inputs}).encode() + b"\n")


def _keep(case: Case, random: Random, before: Any, number: int) -> None:
    """Put the input beside the sample's folder, where `LABELMEND_FUZZ_KEEP` asks for it."""
    kept = os.environ.get("LABELMEND_FUZZ_KEEP")
    if kept is None:
        return
    after = random.getstate()
    random.setstate(before)
    path = random.choice(list(case.files))
    other = random.choice(list(case.files.values()))
    Path(kept).mkdir(parents=True, exist_ok=True)
    (Path(kept) / f"{case.name}-{number}-{path.name}").write_bytes(damaged(case.files[path], other, random))
    random.setstate(after)


def run_guided(entry: Mapping[str, str], inputs: int, seed: int, out: int) -> None:
    """Let atheris choose the inputs; it ends the process at the first thing that is wrong."""
    case = Case(entry)
    path = case.guided_file

    tried = 0

    def one(data: bytes) -> None:
        nonlocal tried
        tried += 1
        if tried % 100 == 0:
            os.write(out, json.dumps({"done": tried}).encode() + b"\n")
        if (found := case.try_bytes(path, data)) is not None:
            os.write(out, json.dumps({"found": f"{case.name} guided: {found}"}).encode() + b"\n")
            raise RuntimeError(found)

    corpus = case.folder.parent / "corpus"
    corpus.mkdir()
    (corpus / "seed").write_bytes(case.files[path])
    os.chdir(corpus)
    options = [f"-runs={inputs}", f"-seed={seed + 1}", "-max_len=20000", "-timeout=60", "-rss_limit_mb=4096"]
    signal.signal(signal.SIGPROF, _hang)
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def in_a_process(entry: Mapping[str, str], inputs: int, seed: int) -> tuple[int, list[str]]:
    """Return how many inputs one reader was given, and what went wrong."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        status = 1
        with suppress(SystemExit):
            (run_guided if GUIDED else run)(entry, inputs, seed, writing)
            status = 0
        os._exit(status)
    os.close(writing)
    done, found = 0, []
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            said = json.loads(line)
            done = said.get("done", done)
            found += [said["found"]] if "found" in said else []
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        found.append(f"{entry['name']} input {done} to {done + 99}: ended by signal {os.WTERMSIG(status)}")
    elif os.WEXITSTATUS(status) and not found:
        found.append(f"{entry['name']}: ended with {os.WEXITSTATUS(status)}")
    return done, found


def main() -> None:
    manifest, inputs, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    given: dict[str, int] = {}
    found: list[str] = []
    for entry in json.loads(manifest.read_text(encoding="utf-8")):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as made:
            sample = Path(made) / "sample"
            shutil.copytree(entry["folder"], sample)
            given[entry["name"]], wrong = in_a_process({**entry, "folder": str(sample)}, inputs, seed)
        found += wrong
        print(f"{entry['name']}: {given[entry['name']]:,} inputs", *wrong, sep="\n  ", file=sys.stderr, flush=True)
    print(json.dumps({"inputs": given, "found": found}))


if __name__ == "__main__":
    main()
