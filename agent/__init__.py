"""The agent: the think, edit, reflect loop and everything that drives it."""
