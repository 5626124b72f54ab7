"""Browser components of the screens."""
