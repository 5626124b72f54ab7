"""Fine-tuning in bfloat16: the network computes in half precision, what is kept and recorded is float32."""

import numpy as np
import pytest
from safetensors.torch import load_file

from labelmend_core.run_folder import RunFolder

FINETUNE = ("train", "--mode", "finetune", "--loss", "splc", "--epochs", "2", "--json")


def test_half_precision_learns_what_full_precision_does(imported) -> None:
    metrics, found = [], []
    for precision in ("no", "bf16"):
        trained = imported(*FINETUNE, "--precision", precision)
        assert trained.code == 0, trained.err
        run = RunFolder(imported.workspace / "runs" / trained.json["run"])
        metrics.append(run.table("metrics"))
        found.append(run.pred_probs())
        assert {str(tensor.dtype) for tensor in load_file(run.path / "model.safetensors").values()} <= {
            "torch.float32",
            "torch.int64",  # batches that a batch norm has counted
        }
    full, half = (table["loss"].to_numpy() for table in metrics)
    assert half == pytest.approx(full, rel=0.02)
    assert (half != full).all(), "eight bits of mantissa are never the same"
    assert np.abs(found[0].astype(float) - found[1]).max() < 0.1
