"""Everything needed to make a generative model: `accelerate launch -m training PRESET`."""
