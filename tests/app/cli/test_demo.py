"""The demo, as it is: scenes, noise, training, suggestions, a simulated review, training again."""

KEYS = {"seconds", "images", "suggestions", "missing_ap", "missing_ap_random", "map_noisy", "map_corrected"}
OF_REVIEW = {"answers", "mended"}


def test_the_demo_finds_missing_digits_and_its_answers_mend_labels(labelmend) -> None:
    done = labelmend("demo", "--headless", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert set(found) == KEYS | OF_REVIEW
    assert found["images"] == 3_000
    assert found["answers"] == round(found["suggestions"] / 10) > 0
    assert 0.8 * found["answers"] < found["mended"] <= found["answers"]
    assert found["missing_ap"] > 3 * found["missing_ap_random"]
    assert found["map_noisy"] > 0.5
    # What so small a network gains from a tenth of the answers is lost in chance; a review that harms does not pass.
    assert found["map_corrected"] > found["map_noisy"] - 0.02
    again = labelmend("demo", "--headless")
    assert again.code == 2
    assert "labelmend review --workspace" in again.err
