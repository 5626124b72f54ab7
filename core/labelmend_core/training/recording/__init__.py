"""The recorder for somebody else's training loop: `record`, and callbacks for Lightning and Hugging Face's Trainer."""

from labelmend_core.training.recording.record import record
from labelmend_core.training.recording.recording import Recording

__all__ = ["Recording", "record"]
