"""Publishing: model cards, previews, figures, pushes to the Hub, the Space."""
