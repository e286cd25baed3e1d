"""What `reject` and `compare` gather: many completions, of which some are kept or paired."""
