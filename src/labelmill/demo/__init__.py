"""A sample to try labelmill on: posts made by a seeded generator, and rules for their authors."""
