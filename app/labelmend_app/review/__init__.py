"""What stands behind the review screen: its routes, whose turn which cell is, and what was answered."""
