"""All benches, one after the other. `python bench/run.py [name ...]`"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALL = (
    "floor",
    "flat",
    "import_",
    "recall",
    "recall_speed",
    "recall_peers",
    "server",
    "postgres",
    "redis_store",
    "dynamodb",
    "context",
    "peers",
)


def main() -> int:
    """Run the named benches, or all."""
    names = sys.argv[1:] or ALL
    return max(subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=False).returncode for name in names)


if __name__ == "__main__":
    sys.exit(main())
