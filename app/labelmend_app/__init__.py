"""What people touch: the command line, the screens, the review grid, training jobs."""
