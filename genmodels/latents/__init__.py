"""Latent spaces: interpolation, maps and optimization of latents."""
