"""Backups: a whole installation as one file, and back again into any database."""
