"""What the server bears: many reviewers in one go, and addresses that ask for files it must not hand out."""

from labelmend_app.benchmarks.web._hostile_paths import Trap, hostile_targets, leaked, set_trap
from labelmend_app.benchmarks.web._load import Load, decide_at_once
from labelmend_app.benchmarks.web._run import Figures, measure

__all__ = ["Figures", "Load", "Trap", "decide_at_once", "hostile_targets", "leaked", "measure", "set_trap"]
