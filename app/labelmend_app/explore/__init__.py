"""What the Explore screen knows: cells with what became of them, filters, maps, and decisions on many at once."""
