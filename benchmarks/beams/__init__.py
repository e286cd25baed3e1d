"""Searches beside whole samples, at equal numbers of tokens drawn."""
