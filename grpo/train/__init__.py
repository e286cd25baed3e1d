"""Updates: token-budget batches, the policy's log-probabilities, one update for any objective."""
