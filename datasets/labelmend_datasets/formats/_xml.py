"""What is wrong with an XML file, in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats._source import fault


@contextmanager
def well_formed(path: Path) -> Iterator[None]:
    """Turn what an XML parser raises into an `AnnotationError` that names the file and the line."""
    try:
        yield
    except AnnotationError:
        raise
    except DefusedXmlException as error:
        got = f"an entity or an external reference ({type(error).__name__})"
        raise fault(path, "document type", "an XML file without entity definitions", got, "remove them") from error
    except ParseError as error:
        line, column = error.position
        got = f"an error at column {column} ({str(error).partition(':')[0]})"
        raise fault(path, f"line {line}", "well-formed XML", got, "was the file cut off or edited by hand?") from error
    except (LookupError, ValueError) as error:  # the declared encoding
        raise fault(path, "line 1", "XML in UTF-8", f"an error ({error})", "save the file as UTF-8") from error
