"""Checkpoints for other programs: GGUF with a Modelfile, or a clean folder with a model card."""

from grpo.export.export import export_checkpoint

__all__ = ["export_checkpoint"]
