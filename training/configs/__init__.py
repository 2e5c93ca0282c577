"""Run configurations: config, architectures, and presets."""
