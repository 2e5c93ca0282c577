"""Distances between distributions: divergences, optimal transport, the lecture's experiments."""
