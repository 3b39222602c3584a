"""The forms in which rules stand in files, one file each."""
