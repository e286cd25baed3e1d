"""Checkpoints on disk: stored whole or not at all, found again, verified, pruned.

Nothing here knows what training is; and nothing is imported here, so that finding a checkpoint
does not cost an import of torch.
"""
