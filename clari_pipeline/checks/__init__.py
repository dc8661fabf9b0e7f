"""What is good enough to merge, and what people must hear of."""
