"""What counts as a class, in words and examples, beside the pictures of the review."""
