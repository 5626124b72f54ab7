"""Annotation formats, one a file: each reads a dataset, and writes it back with corrected labels and all else kept."""

from labelmend_datasets.formats._additions import ADDITIONS_NAME, TASK_NAMES
from labelmend_datasets.formats._format import AnnotationFormat, Reader, Writer
from labelmend_datasets.formats._recognise import recognise
from labelmend_datasets.formats._registry import FORMATS
from labelmend_datasets.formats.label_studio import LOCAL_FILES, Annotation, annotated_tasks

__all__ = [
    "ADDITIONS_NAME",
    "FORMATS",
    "LOCAL_FILES",
    "TASK_NAMES",
    "Annotation",
    "AnnotationFormat",
    "Reader",
    "Writer",
    "annotated_tasks",
    "recognise",
]
