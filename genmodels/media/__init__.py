"""Media: how a tensor becomes something to see or save, and back. One file a medium."""
