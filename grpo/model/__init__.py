"""Models: any causal LM of transformers, and what a DeepSeek-V3 base needs besides."""
