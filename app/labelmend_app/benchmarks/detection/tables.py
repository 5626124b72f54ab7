"""The rows of every part as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labelmend_app.benchmarks.detection import cost, effort, own, reranking
from labelmend_app.benchmarks.detection.calibration import Decile, Summary, by_chance
from labelmend_app.benchmarks.detection.ranking import Figure, Row
from labelmend_app.benchmarks.table import markdown


def ranking_table(rows: Sequence[Row]) -> str:
    """Return one table a case and kind of error."""
    return "\n".join(_ranking_parts(rows))


def _ranking_parts(rows: Sequence[Row]) -> Iterator[str]:
    header = ["method", "micro AP (90 %)", "macro AP (90 %)", "first 100", "first 1,000", "lift"]
    for case, kind in dict.fromkeys((row.case, row.kind) for row in rows):
        here = [row for row in rows if (row.case, row.kind) == (case, kind)]
        yield f"\n{case}, {kind} labels (random order {_bare(here[0].random)})\n"
        yield markdown(header, [_ranking_line(row) for row in here])


def _ranking_line(row: Row) -> list[str]:
    if not row.figures:
        return [_escaped(row.method), row.note, "", "", "", ""]
    if row.group == "ratio":
        cells = [_with_interval(row.figures[name], 2) for name in ("micro", "macro")]
        return [_escaped(f"{row.method} ({row.note})"), *cells, "", "", ""]
    cells = [_with_interval(row.figures[name]) for name in ("micro", "macro")]
    cells += [_bare(row.figures[name][0], 2) for name in ("at_100", "at_1000")]
    return [_escaped(row.method), *cells, f"{row.lift:.1f}"]


def deciles_table(rows: Sequence[Decile]) -> str:
    """Return a line a case, kind and number of answers: estimated / actual share of errors in each part."""
    header = ["case", "kind", "answers", "≥ .5, all", *(f"{part}." for part in range(1, 11))]
    header += ["largest difference", "by chance alone"]
    lines = []
    for key in dict.fromkeys((row.case, row.kind, row.answers) for row in rows):
        here = [row for row in rows if (row.case, row.kind, row.answers) == key]
        apart = [abs(row.estimated - row.actual) for row in here[1:] if None not in (row.estimated, row.actual)]  # type: ignore[operator]
        parts = [f"{_bare(row.estimated, 2)} / {_bare(row.actual, 2)}" for row in here]
        parts[0] += f" of {here[0].cells:,}"
        lines.append([*map(str, key), *parts, _bare(max(apart, default=None), 2), _bare(by_chance(here[1:]), 2)])
    return markdown(header, lines)


def own_table(rows: Sequence[own.Row]) -> str:
    """Return a line a case and kind: how many errors there are, are told, and in which order they come."""
    header = ["case", "kind", "errors", "told", "cleanlab's count", "largest difference of a decile"]
    header += ["AP, order of |y − p|", "AP, our order"]
    return markdown(
        [_escaped(title) for title in header],
        [
            [
                row.case,
                row.kind,
                f"{row.actual:,}",
                f"{row.estimated:,.0f}",
                "–" if row.cleanlab is None else f"{row.cleanlab:,.0f}",
                _bare(row.difference, 2),
                _bare(row.by_p),
                _bare(row.by_probability),
            ]
            for row in rows
        ],
    )


def counts_table(rows: Sequence[Summary]) -> str:
    """Return a line a kind and number of answers: how near the number of errors is, and how often it is covered."""
    header = [
        "kind",
        "answers",
        "sessions",
        "90 % interval covers",
        "median deviation",
        "within the aim",
        "estimated / actual, from … to",
        "cleanlab's median deviation",
    ]
    lines = [
        [
            row.kind,
            str(row.answers),
            str(row.sessions),
            _percent(row.coverage),
            _percent(row.deviation),
            _percent(row.within),
            f"{_bare(row.low_ratio, 2)} to {_bare(row.high_ratio, 2)}",
            _percent(row.cleanlab_deviation),
        ]
        for row in rows
    ]
    return markdown(header, lines)


def effort_table(rows: Sequence[effort.Row]) -> str:
    """Return a line a case and order: labels mended and mAP at each checkpoint, and the answers that 80 % take."""
    checkpoints = rows[0].answers if rows else ()
    header = ["case", "order", *(f"after {answers:,}" for answers in checkpoints), "true labels"]
    header.append("answers to mend 80 %")
    return markdown(header, [_effort_line(row) for row in rows])


def _effort_line(row: effort.Row) -> list[str]:
    back = [""] * len(row.maps) if row.regained is None else [f" ({_percent(share)})" for share in row.regained]
    steps = zip(row.mended, row.maps, back, strict=True)
    reached = [f"{_percent(mended)}, mAP {100 * found:.1f}{share}" for mended, found, share in steps]
    return [row.case, row.order, *reached, f"mAP {100 * row.best:.1f}", f"{row.needed:,}"]


def stopping_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a line a case, kind, reviewer and number of answers."""
    header = ["case", "kind", "reviewer", "answers", "sessions", "covered", "classes covered", "width / truth"]
    header += ["estimate / truth", "next 100, told / true"]
    names = ("covered", "covered_classes", "relative_width", "ratio", "next_ratio")
    lines = [
        [*(str(row[name]) for name in ("case", "kind", "reviewer")), f"{row['answers']:,}", str(row["sessions"])]
        + [_bare(row[name], 2) for name in names]
        for row in rows
    ]
    return markdown(header, lines)


def reranking_table(rows: Sequence[reranking.Row]) -> str:
    """Return a line a thing that an answer changes."""
    header = ["what", "suggestions", "classes", "answers", "seconds", "of all threads", "the first time"]
    lines = [
        [
            row.what,
            f"{row.suggestions:,}",
            f"{row.classes:,}",
            f"{row.answers:,}",
            f"{row.seconds:.2f}",
            f"{row.processor_seconds:.2f}",
            f"{row.first_seconds:.2f}",
        ]
        for row in rows
    ]
    return markdown(header, lines)


def cost_table(rows: Sequence[cost.Row]) -> str:
    """Return a line a method and size."""
    header = [
        "method",
        "images x classes",
        "probabilities",
        "seconds",
        "of all threads",
        "MB above the inputs",
        "MB in all",
    ]
    lines = [
        [
            row.method,
            f"{row.images:,} x {row.classes:,}",
            row.dtype,
            f"{row.seconds:.2f}",
            f"{row.processor_seconds:.2f}",
            f"{row.megabytes:,.0f}",
            f"{row.resident:,.0f}",
        ]
        for row in rows
    ]
    return markdown(header, lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _with_interval(figure: Figure, digits: int = 3) -> str:
    value, low, high = (_bare(part, digits) for part in figure)
    return f"{value} ({low}–{high})" if figure[0] is not None else value


def _bare(value: float | None, digits: int = 3) -> str:
    """Return a share as statisticians write it, without the zero before the point."""
    return "–" if value is None else f"{value:.{digits}f}".removeprefix("0")


def _escaped(text: str) -> str:
    """Return text in which a bar ends no cell of a table."""
    return text.replace("|", "\\|")
