"""Annotation formats, one a file: each reads a dataset, and writes it back with corrected labels and all else kept."""

from labelmend_datasets.formats._additions import ADDITIONS_NAME
from labelmend_datasets.formats._format import AnnotationFormat, Reader, Writer
from labelmend_datasets.formats._registry import FORMATS, recognise

__all__ = ["ADDITIONS_NAME", "FORMATS", "AnnotationFormat", "Reader", "Writer", "recognise"]
