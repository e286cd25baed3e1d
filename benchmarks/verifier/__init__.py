"""Training small verifiers in the tiny world, and measuring them against its exact checker."""
