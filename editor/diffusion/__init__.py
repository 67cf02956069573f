"""Editors that run a diffusion transformer through diffusers, one file per model family."""
