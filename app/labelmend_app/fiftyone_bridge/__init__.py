"""A workspace in FiftyOne, a mirror that decisions come back from, and datasets of FiftyOne as annotations."""
