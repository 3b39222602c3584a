"""The peak of memory that a task reports is what its process has really held."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json
from labelmill.labeltasks.memory import peak_memory_mb
begun = peak_memory_mb()
held = b"x" * (200 << 20)
most = peak_memory_mb()
del held
print(json.dumps([begun, most, peak_memory_mb()]))
"""


def test_t12_the_peak_is_that_of_the_process_itself_and_stays() -> None:
    """Not that of the one that started it, however much that holds; what was given back was held all the same."""
    mine = b"x" * (300 << 20)
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    begun, most, after = json.loads(run.stdout)
    assert begun < len(mine) >> 20 >> 1
    assert 195 < most - begun < 260
    assert after > most - 5  # Linux counts to some hundred pages
