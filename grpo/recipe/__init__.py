"""Recipes: every knob of a run, typed and frozen, loadable without torch."""
