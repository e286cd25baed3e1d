"""Evaluation: held-out problems, judged strictly and leniently, with intervals."""
