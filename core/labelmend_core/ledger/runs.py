"""Training runs in the database: how each was made, how it went, and whether it is still going."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import psutil
from sqlalchemy import Engine, Row, select

from labelmend_core.errors import InputError
from labelmend_core.ledger import schema
from labelmend_core.ledger.engine import writing
from labelmend_core.system_processes import alive, started

_NEXT = timedelta(microseconds=1)


class Status(StrEnum):
    """Where a run stands; `STOPPED` can be resumed, as can `DIED` (its process is gone)."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    DIED = "died"


@dataclass(frozen=True)
class RunRecord:
    """One training run.

    Attributes:
        mode: "probe" or "finetune"; "recorded" of another training loop, "imported" with predictions made elsewhere.
        labels: "given" or "corrected": what it was trained on.
        n_decisions: events in the ledger when it started.
        settings: everything needed to repeat it.
        metrics: the metrics of the chosen epoch, by name.
    """

    run_id: str
    created_at: datetime
    mode: str
    loss: str
    status: Status
    labels: str
    n_decisions: int
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]


class Runs:
    """All runs of one workspace."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, *, mode: str, loss: str, labels: str, n_decisions: int, settings: Mapping[str, Any]) -> str:
        """Record a run of this process and return its id, unique and sortable by time."""
        now = datetime.now(UTC).replace(tzinfo=None)
        with writing(self._engine).begin() as connection:
            before = connection.execute(select(schema.runs.c.run_id, schema.runs.c.created_at)).all()
            taken = {run_id for run_id, _ in before}
            # The newest run stays the newest when the clock jumps back.
            now = max([now, *(created_at + _NEXT for _, created_at in before)])
            stem = f"{now:%Y%m%d-%H%M%S}-{mode}-{loss}"
            run_id = next(
                name for i in range(len(taken) + 1) if (name := stem + (f"-{i + 1}" if i else "")) not in taken
            )
            connection.execute(
                schema.runs.insert().values(
                    run_id=run_id,
                    created_at=now,
                    mode=mode,
                    loss=loss,
                    status=Status.RUNNING.value,
                    labels=labels,
                    n_decisions=n_decisions,
                    settings=dict(settings),
                    metrics={},
                    **_this_process(),
                )
            )
        return run_id

    def resume(self, run_id: str) -> None:
        """Mark a stopped or dead run as run by this process."""
        self._update(run_id, status=Status.RUNNING.value, **_this_process())

    def finish(self, run_id: str, status: Status, metrics: Mapping[str, Any] | None = None) -> None:
        """Record how a run ended."""
        values: dict[str, Any] = {"status": status.value, "pid": None, "process_started": None}
        if metrics is not None:
            values["metrics"] = dict(metrics)
        self._update(run_id, **values)

    def all(self) -> list[RunRecord]:
        """Return every run, newest first."""
        query = select(schema.runs).order_by(schema.runs.c.created_at.desc(), schema.runs.c.run_id.desc())
        with self._engine.connect() as connection:
            return [_as_record(row) for row in connection.execute(query)]

    def get(self, run_id: str) -> RunRecord:
        """Return one run.

        Raises:
            InputError: there is no run of that id.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(schema.runs).where(schema.runs.c.run_id == run_id)).first()
        if row is None:
            known = [record.run_id for record in self.all()]
            raise InputError(f"Expected one of the runs {', '.join(known) or '(there is none yet)'}, got {run_id!r}")
        return _as_record(row)

    def _update(self, run_id: str, **values: Any) -> None:
        with writing(self._engine).begin() as connection:
            connection.execute(schema.runs.update().where(schema.runs.c.run_id == run_id).values(**values))


def _this_process() -> dict[str, Any]:
    process = psutil.Process()
    return {"pid": process.pid, "process_started": started(process)}


def _as_record(row: Row[Any]) -> RunRecord:
    status = Status(row.status)
    if status is Status.RUNNING and alive(row.pid, row.process_started) is None:
        status = Status.DIED
    return RunRecord(
        run_id=row.run_id,
        created_at=row.created_at.replace(tzinfo=UTC),
        mode=row.mode,
        loss=row.loss,
        status=status,
        labels=row.labels,
        n_decisions=row.n_decisions,
        settings=row.settings,
        metrics=row.metrics,
    )
