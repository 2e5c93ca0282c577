"""Media: convert samples to files and back. One file per medium."""
