"""Runs as pages for a browser: one self-contained file per run, a gallery for a folder, or a live server."""

from __future__ import annotations

from agent.report.gallery import write_gallery
from agent.report.page import write_page
from agent.report.serve import serve

__all__ = ["serve", "write_gallery", "write_page"]
