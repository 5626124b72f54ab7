"""Class vectors from files, good and bad."""

from pathlib import Path

import numpy as np
import pytest
import torch

from labelmend_core.errors import InputError
from labelmend_core.models import build_head
from labelmend_core.types import LabelMatrix

NAMES = ("dog", "traffic light", "Sofa")
GLOVE = "the 9 9\nDog 8 8\ndog 1 2\nlight 4 4\ntraffic 0 2\nunused x y z\nsofa -1 0.5\n"


def _vectors(path: Path, names=NAMES) -> torch.Tensor:
    labels = LabelMatrix.empty((4, len(NAMES)))
    return build_head("graph", 8, labels, class_names=names, vectors=str(path)).class_vectors


def test_names_are_found_in_text_and_several_words_averaged(tmp_path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text(GLOVE, encoding="utf-8")
    assert _vectors(path).tolist() == [[1, 2], [2, 3], [-1, 0.5]]


def test_the_first_line_of_word2vec_is_no_vector_and_tabs_are_spaces(tmp_path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\n\n3\t5\t6\ndog 1 2\nsofa 3 4\n", encoding="utf-8")
    assert _vectors(path, ("3", "dog", "sofa")).tolist() == [[5, 6], [1, 2], [3, 4]]


def test_a_line_for_the_whole_name_comes_before_its_words(tmp_path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE + "traffic_light 7 7\n", encoding="utf-8")
    assert _vectors(path)[1].tolist() == [7, 7]


def test_an_array_is_taken_in_the_order_of_the_classes(tmp_path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "vectors.npy", array)
    found = _vectors(tmp_path / "vectors.npy", ())
    assert found.dtype == torch.float32
    assert found.tolist() == array.tolist()


def test_vectors_from_a_file_are_not_trained(tmp_path) -> None:
    np.save(tmp_path / "vectors.npy", np.ones((3, 4)))
    head = build_head("graph", 8, LabelMatrix.empty((4, 3)), vectors=str(tmp_path / "vectors.npy"))
    assert "class_vectors" not in dict(head.named_parameters())
    assert "class_vectors" in head.state_dict()


def test_classes_without_a_vector_are_named_up_to_three(tmp_path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("dog 1 2\nlight 4 4\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"2 of 3 have none: 'traffic light', 'Sofa'; add lines"):
        _vectors(path)
    path.write_text("cat 1 2\n", encoding="utf-8")
    labels = LabelMatrix.empty((1, 4))
    with pytest.raises(InputError, match=r"4 of 4 have none: 'a', 'b', 'c', …; add"):
        build_head("graph", 8, labels, class_names=list("abcd"), vectors=str(path))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dog 1 2\nsofa 1\n", "Expected 2 numbers after 'sofa' in .*, line 2, got 1"),
        ("dog 1 two\n", "line 1, got: could not convert"),
        ("dog\n", "Expected some numbers after 'dog'"),
        ("dog 1 nan\ntraffic_light 1 2\nsofa 1 2\n", "Expected finite numbers"),
    ],
)
def test_a_damaged_text_file_is_one_sentence(text, sentence, tmp_path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        _vectors(path)


def test_a_file_that_is_not_there_not_text_or_without_names_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="which is not there"):
        _vectors(tmp_path / "nowhere.txt")
    path = tmp_path / "vectors.bin"
    path.write_bytes(b"\xff\xfe\x00dog")
    with pytest.raises(InputError, match=r"\.npy file or UTF-8 text"):
        _vectors(path)
    with pytest.raises(InputError, match="class names to look up"):
        _vectors(path, ())


def test_an_array_of_other_classes_of_text_or_of_objects_is_refused(tmp_path) -> None:
    path = tmp_path / "vectors.npy"
    np.save(path, np.ones((5, 4)))
    with pytest.raises(InputError, match=r"each of the 3 classes, got an array of shape \(5, 4\)"):
        _vectors(path)
    np.save(path, np.array([["a"], ["b"], ["c"]]))
    with pytest.raises(InputError, match="real numbers"):
        _vectors(path)
    np.save(path, np.array([[{}], [{}], [{}]]), allow_pickle=True)
    with pytest.raises(InputError, match=r"array of numbers in .*, got"):
        _vectors(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"array of numbers in .*, got"):
        _vectors(path)
