"""Tasks for a tool that draws boxes: the images that need one, and of which classes, for Label Studio and CVAT."""

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from labelmend_datasets.formats.label_studio import LOCAL_FILES

LABEL_STUDIO_TASKS, CVAT_TASKS = "labelmend_box_tasks.json", "labelmend_box_tasks.xml"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def label_studio_tasks(classes_of: Mapping[str, Sequence[str]]) -> str:
    """Return a JSON list of tasks to import into Label Studio, whose interface can show `$draw` beside `$image`.

    Args:
        classes_of: by image path, the classes that want a box.

    Example:
        >>> print(label_studio_tasks({"a b.jpg": ["dog"]}), end="")
        [
         {"data": {"image": "/data/local-files/?d=a%20b.jpg", "draw": "dog", "classes": ["dog"]}}
        ]
    """
    tasks = [
        {"data": {"image": f"{LOCAL_FILES}?d={quote(path)}", "draw": ", ".join(classes), "classes": list(classes)}}
        for path, classes in classes_of.items()
    ]
    return "[\n " + ",\n ".join(json.dumps(task, ensure_ascii=False) for task in tasks) + "\n]\n"


def cvat_tasks(classes_of: Mapping[str, Sequence[str]], class_names: Sequence[str]) -> str:
    """Return annotations to upload to a CVAT task of these images: a tag for each class that wants a box.

    Args:
        classes_of: by image path, the classes that want a box.
        class_names: all classes, for the labels of the task.
    """
    labels = "".join(f"<label><name>{escape(_plain(name))}</name></label>" for name in class_names)
    images = [
        f'  <image id="{index}" name={quoteattr(_plain(path))}>\n'
        + "".join(f'    <tag label={quoteattr(_plain(name))} source="manual"></tag>\n' for name in classes)
        + "  </image>\n"
        for index, (path, classes) in enumerate(classes_of.items())
    ]
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
    meta = f"  <meta><task><labels>{labels}</labels></task></meta>\n"
    return head + meta + "".join(images) + "</annotations>\n"


def _plain(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("\ufffd", text)
