"""Jobs over HTTP and on pages. They live here because ``labelmill.jobs`` knows nothing of people and permissions."""
