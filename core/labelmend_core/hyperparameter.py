"""What a loss or a head says about each of its settings: the checks and the sliders are made from it."""

from dataclasses import dataclass
from numbers import Integral, Real

from labelmend_core.errors import InputError

Value = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One setting of a loss or head; the type of `default` says if it is a switch, a count, a number, a choice or text.

    Args:
        name: The name that the paper gives it, also the keyword of `build_loss` or `build_head`.
        default: The value of the paper or its training script; a bool, an int, a float, one of `choices`, or text.
        low: The smallest value allowed.
        high: The largest value allowed.
        description: One sentence: what a larger value does.
        choices: The values of a choice; `low` and `high` then say nothing.

    Example:
        >>> Hyperparameter("gamma", 2.0, 0.0, 10.0, "focusing power").checked(3, "focal")
        3.0
    """

    name: str
    default: Value
    low: float
    high: float
    description: str
    choices: tuple[str, ...] = ()

    def checked(self, value: object, owner: str, kind: str = "loss") -> Value:
        """Return `value` in the type of the default.

        Args:
            value: What the caller passed.
            owner: The name of the loss or head, for the message.
            kind: What the owner is.

        Raises:
            InputError: `value` is of another kind, NaN, or outside [low, high].
        """
        if self.choices:
            if isinstance(value, str) and value in self.choices:
                return value
            expected = f"one of {', '.join(self.choices)}"
        elif isinstance(self.default, str):
            if isinstance(value, str):
                return value
            expected = "text"
        elif isinstance(self.default, bool):
            if isinstance(value, bool):
                return value
            expected = "True or False"
        elif isinstance(self.default, int):
            expected = f"a whole number from {self.low:g} to {self.high:g}"
            if isinstance(value, Integral) and not isinstance(value, bool) and self._within(int(value)):
                return int(value)
        else:
            expected = f"a number from {self.low:g} to {self.high:g}"
            if isinstance(value, Real) and not isinstance(value, bool) and self._within(float(value)):
                return float(value)
        raise InputError(f"Expected {self.name} of {kind} '{owner}' to be {expected}, got {value!r}.")

    def _within(self, value: float) -> bool:
        return self.low <= value <= self.high  # false for NaN
