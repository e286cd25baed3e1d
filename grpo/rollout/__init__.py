"""Rollouts: problems to scored groups, on disk before anything learns from them."""
