"""The training loop and its parts: trainer, batches, EMA, checkpoints, interruption."""
