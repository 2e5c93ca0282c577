"""The training loop and what it is made of: trainer, batches, EMA, checkpoints, interruption."""
