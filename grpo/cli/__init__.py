"""The command `grpo`: verbs only, a file for those that belong together.

Each verb imports its work inside, so that `grpo check` and `--help` never load torch.
"""

from grpo.cli.app import app, main, version_text

__all__ = ["app", "main", "version_text"]
