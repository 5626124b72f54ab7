"""What labels and probabilities alone tell, in the detection benchmark."""

import json
from dataclasses import asdict

from labelmend_app.benchmarks.detection import own
from labelmend_app.benchmarks.detection.baselines import has_cleanlab
from labelmend_app.benchmarks.detection.tables import own_table
from labelmend_core.types import PRESENT, Kind


def test_own_predictions_are_judged_by_the_truth(small_problem, make_session) -> None:
    problem = small_problem()
    missing, spurious = own.run([problem], make_session, lambda *_: None)
    given, truth = problem.given.dense() == PRESENT, problem.truth.dense() == PRESENT
    assert (missing.actual, spurious.actual) == ((truth & ~given).sum(), (given & ~truth).sum())
    for row, kind in ((missing, Kind.MISSING), (spurious, Kind.SPURIOUS)):
        assert row.kind == kind.value
        assert 0 < row.estimated < problem.given.shape[0] * problem.given.shape[1]
        assert 0 <= row.difference <= 1
        assert (row.cleanlab is not None) == has_cleanlab()
    # Better than at random (.13), so that neither order is upside down.
    assert min(missing.by_p, missing.by_probability) > 1.5 * missing.actual / (~given).sum()
    assert len(own_table([missing, spurious]).splitlines()) == 4
    json.dumps([asdict(missing), asdict(spurious)], allow_nan=False)
