"""A review in another tool: tasks for it, and what was decided there into the ledger."""
