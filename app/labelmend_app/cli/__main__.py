"""`python -m labelmend_app.cli`, which `accelerate launch -m` needs."""

from labelmend_app.cli import main

main()
