"""Sample datasets, to try labelling on without a file of one's own."""
