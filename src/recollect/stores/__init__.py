"""One room for each backend."""
