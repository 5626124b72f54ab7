"""What the review page may send, checked field by field before it touches the ledger."""

from collections.abc import Container
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from labelmend_app.review.reviewers import reviewer_name
from labelmend_core.types import Decision, Verdict

MAX_EVENTS = 2_000
_INDEX = Field(ge=0, lt=2**31)

Client = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Seq = Annotated[int, Field(ge=1, lt=2**53)]
Reviewer = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(reviewer_name)]


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class UndoneDecision(_Message):
    """Names the decision that an undo takes back."""

    client: Client
    seq: Seq


class DecisionEvent(_Message):
    """One event of the page's log."""

    seq: Seq
    image: Annotated[int, _INDEX]
    class_index: Annotated[int, _INDEX]
    verdict: Verdict
    decided_at: AwareDatetime
    suggestion_id: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    undoes: UndoneDecision | None = None

    @model_validator(mode="after")
    def _undo_names_what(self) -> "DecisionEvent":
        if (self.verdict is Verdict.UNDO) != (self.undoes is not None):
            raise ValueError("an undo, and only an undo, names the decision that it takes back")
        return self


class DecisionBatch(_Message):
    """The part of a page's log that the server has not acknowledged."""

    workspace: Annotated[str, StringConstraints(max_length=64)]
    client: Client
    reviewer: Reviewer
    decisions: Annotated[list[DecisionEvent], Field(min_length=1, max_length=MAX_EVENTS)]

    def as_decisions(self, known: Container[tuple[int, int, int]]) -> list[Decision]:
        """Return the events for the ledger, without suggestions that are not among the `known` (image, class, id)."""
        return [
            Decision(
                client=self.client,
                seq=event.seq,
                image=event.image,
                class_index=event.class_index,
                verdict=event.verdict,
                reviewer=self.reviewer,
                decided_at=event.decided_at,
                suggestion_id=event.suggestion_id
                if (event.image, event.class_index, event.suggestion_id) in known
                else None,
                undoes=(event.undoes.client, event.undoes.seq) if event.undoes is not None else None,
            )
            for event in self.decisions
        ]
