"""One self-contained HTML page: what the dataset held, what was found and mended, and how training went."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pandas as pd

from labelmend_app.export import changes
from labelmend_core.files import replacing
from labelmend_core.ledger import Policy, Status, standing
from labelmend_core.types import Verdict
from labelmend_core.workspace import Workspace

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0 2rem; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; max-width: 24rem; }
"""


def write_report(workspace: Workspace, path: Path, policy: Policy = Policy.LATEST) -> None:
    """Write the report; every name in it is escaped.

    Args:
        workspace: read, not changed.
        path: of the HTML file.
        policy: whose word counts where several reviewers answered.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    changed = changes(workspace, policy)
    n, k = workspace.dataset.given_labels.shape
    decisions = [d for d in standing(workspace.ledger.decisions()) if d.verdict is not Verdict.SKIP]
    reviewers = sorted({decision.reviewer for decision in decisions})
    sections = [
        "<h1>labelmend report</h1>",
        f"<p>{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {escape(str(workspace.image_folder))}</p>",
        "<h2>In short</h2>",
        _table(
            pd.DataFrame(
                {
                    "what": ["images", "classes", "answers", "reviewers", "labels added", "labels removed"],
                    "number": [n, k, len(decisions), len(reviewers), *_added_and_removed(changed)],
                }
            )
        ),
        "<h2>Per class</h2>",
        _table(_per_class(workspace, changed)),
        "<h2>Training runs</h2>",
        _table(_runs(workspace)),
    ]
    head = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>labelmend report</title><style>{_STYLE}</style>"
    )
    with replacing(path) as temporary:
        temporary.write_text(head + "\n".join(sections) + "</html>\n", encoding="utf-8")


def _added_and_removed(changed: pd.DataFrame) -> tuple[int, int]:
    added = changed["after"] == "present"
    removed = changed["before"] == "present"
    return int(added.sum()), int(removed.sum())


def _per_class(workspace: Workspace, changed: pd.DataFrame) -> pd.DataFrame:
    """Given labels, what was mended, and what is still suspected, a row a class."""
    names = list(workspace.dataset.class_names)
    labels = workspace.dataset.given_labels
    frame = pd.DataFrame({"class": names, "given labels": labels.positives_per_class()})
    frame["added"] = (
        changed.loc[changed["after"] == "present", "class"].value_counts().reindex(names, fill_value=0).values
    )
    removed = changed.loc[changed["before"] == "present", "class"]
    frame["removed"] = removed.value_counts().reindex(names, fill_value=0).values
    verified = changed.loc[(changed["after"] == "absent") & (changed["before"] == "unobserved"), "class"]
    frame["verified absent"] = verified.value_counts().reindex(names, fill_value=0).values
    run_id = workspace.queue.latest_run()
    if run_id is not None:
        counts = workspace.queue.counts(run_id)
        for kind in ("missing", "spurious"):
            of_kind = counts[counts["kind"] == kind].set_index("class_index")["open"]
            frame[f"still suspected {kind}"] = of_kind.reindex(range(len(names)), fill_value=0).values
    return frame.sort_values("given labels", ascending=False)


def _runs(workspace: Workspace) -> pd.DataFrame:
    rows = [
        {
            "run": record.run_id,
            "loss": record.loss,
            "trained on": f"{record.labels} labels",
            "answers used": record.n_decisions,
            "mAP": f"{record.metrics['map']:.3f}" if record.metrics.get("map") is not None else "–",
            "measured on": record.metrics.get("on", "–"),
        }
        for record in reversed(workspace.runs.all())
        if record.status is Status.DONE
    ]
    return pd.DataFrame(rows, columns=["run", "loss", "trained on", "answers used", "mAP", "measured on"])


def _table(frame: pd.DataFrame) -> str:
    html: str = frame.to_html(index=False, border=0, escape=True, na_rep="–")
    return html
