"""What the stages of a run share: engine, problems, scorers, log, questions before training."""
