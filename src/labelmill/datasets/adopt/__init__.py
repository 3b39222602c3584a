"""Takes over a running LabelForward: its texts, labels, votes, people and times, from its PostgreSQL into a dataset."""
