"""What retraining brought, where it is looked for: after it on Train, and later on Runs."""

import json

import numpy as np
import pandas as pd
import pytest

from labelmend_app.effect import FILE, effect_sentences, keep_effect, read_effect
from labelmend_core.errors import InputError
from labelmend_core.types import Verdict


@pytest.fixture
def retrained(workspace, make_run, suggest, decide):
    """Two runs, the second on the review of the first, and what that brought: the second's id and the effect."""

    def make(on="validation"):
        first = make_run((0.5, 0.25, 0.75, np.nan), on=on)
        suggest(first)
        decide(0, 1, Verdict.PRESENT)
        second = make_run((0.4, 0.5, 0.75, np.nan), labels="corrected", on=on)
        cell = {"image_index": 4, "class_index": 0, "kind": "missing", "rank": 1, "label_quality": 0.1}
        again = {**cell, "image_index": 5, "class_index": 1, "rank": 2}
        odds = {"error_probability": 0.8, "low": 0.7, "high": 0.9, "reason": {}}
        workspace.queue.save(second, pd.DataFrame([{**cell, **odds}, {**again, **odds}]))
        records = workspace.runs.get(first), workspace.runs.get(second)
        return second, keep_effect(workspace, *records, {"missing": (140.0, 90.0, 180.0)}, 2)

    return make


def test_the_effect_is_kept_with_the_run(workspace, retrained):
    run_id, effect = retrained()
    assert read_effect(workspace.run_folder(run_id)) == effect
    assert (effect.map_before, effect.map_after) == pytest.approx((0.5, 0.55))
    assert (effect.suggestions, effect.new_suggestions, effect.new_decisions) == (2, 1, 1)
    assert effect.gained == [(1, 0.25, 0.5)]
    assert effect.lost == [(0, 0.5, 0.4)]


@pytest.mark.parametrize("screen", ["train", "runs"])
def test_both_screens_show_it_with_hostile_names_as_text(open_screen, workspace, retrained, screen):
    retrained()
    page = open_screen(screen)
    assert any(header.value == "What retraining brought" for header in page.subheader)
    numbers = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert numbers["mAP on validation images"] == ("0.550", "+0.050, from 0.500")
    assert numbers["Suggestions newly found"] == ("1", "of 2 in all")
    gained = next(table.value for table in page.dataframe if "Difference" in table.value and len(table.value) == 1)
    assert gained["Class"].tolist() == [workspace.dataset.class_names[1]]
    assert gained["Difference"].tolist() == [0.25]


def test_without_validation_images_no_map_is_compared(workspace, retrained):
    _, effect = retrained(on="out-of-sample probabilities against the labels trained on")
    assert effect.map_after is None
    assert not effect.classes
    told = effect_sentences(effect, tuple(workspace.dataset.class_names))
    assert "--validation" in told[0]
    assert told[-1] == "2 suggestions, 1 of them newly found."


def test_a_run_that_no_review_led_to_has_none_and_damage_is_told(workspace, make_run):
    folder = workspace.run_folder(make_run())
    assert read_effect(folder) is None
    (folder / FILE).write_text(json.dumps({"before": "x"}))
    with pytest.raises(InputError, match=FILE):
        read_effect(folder)
