"""The stages: each takes a checkpoint and gives one, told one noun a line."""
