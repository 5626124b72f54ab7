"""The operators: accept, reject, unsure and open again for what is selected, and the next suggestion."""

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from . import suggestions as own

URI = "@labelmend/review"
_GRID, _OPEN_PICTURE = types.Places.SAMPLES_GRID_SECONDARY_ACTIONS, types.Places.SAMPLES_VIEWER_ACTIONS
_ALL = "all"
_NOTHING = "Nothing is selected. Select pictures in the grid or open one, then press again."
_NO_SUGGESTION = "There is no suggestion on what is selected."
_FOREIGN = "This dataset was not made by labelmend. Run 'labelmend fiftyone push' and open what it names."


class _Decide(foo.Operator):
    """Decides on the suggestions of the selected samples or of the open one; never on a whole view."""

    name, label, status, icon, place = "", "", "", "", None

    @property
    def config(self) -> Any:
        """What the App shows of it."""
        return foo.OperatorConfig(
            name=self.name,
            label=f"{self.label} suggestion",
            icon=self.icon,
            dynamic=True,
            unlisted=self.place is _OPEN_PICTURE,
            view_target=False,
        )

    def resolve_placement(self, ctx: Any) -> Any:
        """A button above the grid."""
        if self.place is None or not own.is_mirror(ctx.dataset):
            return None
        return types.Placement(self.place, types.Button(label=self.label, icon=self.icon, prompt=False))

    def resolve_input(self, ctx: Any) -> Any:
        """Ask what is meant; from a button only where `execute` could not tell.

        FiftyOne refuses to execute what is not valid, so that only what was asked may be.
        """
        found, was_asked = _targets(ctx), bool(ctx.params.get("asked"))
        meant = own.groups(found)
        inputs = types.Object()
        if not meant:
            inputs.view("nothing", types.Warning(label=_why_nothing(ctx)))
        elif len(meant) == 1:
            inputs.view("what", types.Notice(label=f"{meant[0][1]}: {len(found):,}"))
        else:
            choices = types.RadioGroup(orientation="vertical")
            for name, words, n in meant:
                choices.add_choice(name, label=f"{words}: {n:,}")
            choices.add_choice(_ALL, label=f"All {len(found):,}")
            inputs.enum("what", choices.values(), label="Which suggestions?", view=choices, required=was_asked)
        asked = types.Property(inputs, view=types.PromptView(label=self.label, submit_button_label=self.label))
        asked.error_message = "Choose which." if meant else "Select first."
        clear = len(meant) == 1 or ctx.params.get("what") in (*(name for name, _, _ in meant), _ALL)
        asked.invalid = was_asked and not clear
        return asked

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Write the decision down and, where a picture is open, open the next one."""
        found = _targets(ctx)
        what = ctx.params.get("what") or (_ALL if len(own.groups(found)) == 1 else None)
        chosen = [one for one in found if what in (_ALL, one.group)]
        if not chosen:
            ctx.prompt(f"{URI}/{self.name}", params={"asked": True})
            return {"decided": 0}
        following = own.next_open(ctx.view, ctx.current_sample) if ctx.current_sample else None
        own.decide(ctx.dataset, chosen, self.status)
        ctx.ops.clear_selected_labels()
        ctx.ops.clear_selected_samples()
        ctx.ops.reload_dataset()
        (_, words, _), *more = own.groups(chosen)
        ctx.ops.notify(f"{len(chosen):,} {self.status}: {words}{' and others' if more else ''}", variant="success")
        if ctx.current_sample:
            _go_to(ctx, following)
        return {"decided": len(chosen)}


class Accept(_Decide):
    """The suggestion is right: a missing label is there, a spurious one is not."""

    name, label, status, icon = "accept", "Accept", "accepted", "check"
    place = _GRID


class Reject(_Decide):
    """The suggestion is wrong: the label as given is right."""

    name, label, status, icon = "reject", "Reject", "rejected", "close"
    place = _GRID


class Unsure(_Decide):
    """Nobody can tell from the picture."""

    name, label, status, icon = "unsure", "Unsure", "unsure", "question_mark"
    place = _GRID


class OpenAgain(_Decide):
    """Takes back what was decided here."""

    name, label, status, icon = "open_again", "Open again", own.OPEN, "undo"


class AcceptOpen(Accept):
    """The same, as a button of the open picture: an operator has one place."""

    name, place = "accept_open", _OPEN_PICTURE


class RejectOpen(Reject):
    """See `AcceptOpen`."""

    name, place = "reject_open", _OPEN_PICTURE


class UnsureOpen(Unsure):
    """See `AcceptOpen`."""

    name, place = "unsure_open", _OPEN_PICTURE


class NextSuggestion(foo.Operator):
    """Opens the picture with the likeliest open suggestion of the view, or the one behind that which is open."""

    name, place = "next_suggestion", _GRID

    @property
    def config(self) -> Any:
        """What the App shows of it."""
        return foo.OperatorConfig(
            name=self.name,
            label="Next suggestion",
            icon="skip_next",
            unlisted=self.place is _OPEN_PICTURE,
            view_target=False,
        )

    def resolve_placement(self, ctx: Any) -> Any:
        """A button above the grid."""
        if not own.is_mirror(ctx.dataset):
            return None
        button = types.Button(label="Next suggestion", icon="skip_next", prompt=False)
        return types.Placement(self.place, button)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Open it, or say that there is none."""
        if not own.is_mirror(ctx.dataset):
            ctx.ops.notify(_FOREIGN, variant="warning")
            return {"sample": None}
        following = own.next_open(ctx.view, ctx.current_sample)
        _go_to(ctx, following)
        return {"sample": following}


class NextOpen(NextSuggestion):
    """See `AcceptOpen`."""

    name, place = "next_open", _OPEN_PICTURE


OPERATORS = (Accept, Reject, Unsure, OpenAgain, NextSuggestion, AcceptOpen, RejectOpen, UnsureOpen, NextOpen)


def _targets(ctx: Any) -> list[own.Target]:
    if not own.is_mirror(ctx.dataset):
        return []
    return own.targets(
        ctx.view, selected=ctx.selected, labels=ctx.selected_labels or [], current=ctx.current_sample or None
    )


def _why_nothing(ctx: Any) -> str:
    if not own.is_mirror(ctx.dataset):
        return _FOREIGN
    anything = ctx.selected or ctx.selected_labels or ctx.current_sample
    return _NO_SUGGESTION if anything else _NOTHING


def _go_to(ctx: Any, sample_id: str | None) -> None:
    if sample_id is not None:
        ctx.ops.open_sample(id=sample_id)
        return
    if ctx.current_sample:
        ctx.ops.close_sample()
    ctx.ops.notify("No other open suggestion in this view.", variant="info")
