"""`labelmend bench detection`: how well errors are found, how far the figures can be trusted, what answers are worth.

`problem.py` plants the errors, `session.py` is one workspace on a problem, and every other module measures one thing.
"""
