"""Configuration of training runs: fields, architectures, presets, and training.json files."""
