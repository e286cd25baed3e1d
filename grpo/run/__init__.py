"""A run on disk: its folder, what has been done in it, and what there is still to do."""
