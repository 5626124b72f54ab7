"""The few errors that labelmend raises on purpose; the command line turns each into one sentence and exit 2."""


class LabelmendError(Exception):
    """Anything that the user can mend: the message says what was expected, what came, and the likely cure."""


class InputError(LabelmendError, ValueError):
    """An argument, an array or a file does not hold what it must."""


class AnnotationError(InputError):
    """An annotation file is wrong; the message names the file and the record."""


class ImageError(InputError):
    """An image file is missing, damaged, too large, or not an image."""


class WorkspaceError(LabelmendError):
    """The workspace folder is missing, not writable, in use, or of a newer version."""
