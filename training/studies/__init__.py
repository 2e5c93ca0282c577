"""Experiments: the 2-D laboratory, training stability, the model zoo."""
