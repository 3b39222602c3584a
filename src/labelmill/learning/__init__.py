"""Learning: classifiers trained on what people answered, their predictions, and which record is best asked next."""
