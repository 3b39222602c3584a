"""The contract of the Audience API 2.1: ``/api/tasks/``."""
