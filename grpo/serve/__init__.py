"""`grpo serve`: vLLM's own OpenAI server on a checkpoint, with the settings it needs."""
