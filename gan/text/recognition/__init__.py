"""Recognition of categories, and of the n-grams that decided."""
