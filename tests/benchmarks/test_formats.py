"""The made-up annotations of the benchmark are what they claim to be, and its figures come from runs of their own."""

import pytest

from labelmend_app.benchmarks.formats._sources import NAMES, SOURCES, images
from labelmend_app.benchmarks.formats.measure import run
from labelmend_core.errors import InputError
from labelmend_datasets.formats import FORMATS, recognise

N_IMAGES = 12
ONE_CLASS = ("image-folder",)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_as_its_reader_reads_it(tmp_path, name):
    source = tmp_path / f"source{FORMATS[name].suffix}"
    SOURCES[name](source, N_IMAGES)
    assert recognise(source) == name
    dataset = FORMATS[name].read(source)
    assert len(dataset.image_ids) == N_IMAGES
    per_image = 1 if name in ONE_CLASS else 3
    assert dataset.given_labels.n_observed == N_IMAGES * per_image


def test_a_label_of_an_image_is_the_same_in_every_format(tmp_path):
    SOURCES["csv"](tmp_path / "labels.csv", N_IMAGES)
    dataset = FORMATS["csv"].read(tmp_path / "labels.csv")
    said = [sorted(dataset.class_names[k] for k in dataset.given_labels.positives(i)) for i in range(N_IMAGES)]
    assert said == [sorted(NAMES[k] for k in own) for _, own in images(N_IMAGES)]


def test_a_process_each_tells_memory_and_time_of_reading_and_of_writing(tmp_path):
    shown = []
    (row,) = run(tmp_path, N_IMAGES, ["vg500"], lambda *step: shown.append(step))
    assert (row.format, row.images, row.labels) == ("vg500", N_IMAGES, 3 * N_IMAGES)
    assert 10 < row.read_peak < 2_000
    assert row.write_peak is not None
    assert shown == [("vg500", 0, 1)]
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InputError, match="got 'avro'"):
        list(run(tmp_path, N_IMAGES, ["avro"], lambda *step: None))
