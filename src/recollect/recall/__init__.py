"""Finding what was said: text to terms, and the ranking of what has them."""
