"""What the training stages learn: lessons of rollouts, transcripts, documents and pairs."""
