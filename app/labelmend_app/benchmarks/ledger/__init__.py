"""What `labelmend bench ledger` measures: whether an acknowledged decision survives what is killed around it."""
