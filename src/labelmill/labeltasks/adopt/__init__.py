"""Taking over the output schema of an Audience API: what is there, what would be changed, and the change itself."""
