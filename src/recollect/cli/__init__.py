"""The command line: `main` is the console script ``recollect``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        from recollect.cli.app import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("typer", "rich"):
            raise
        sys.stderr.write(f'error: the command line needs {error.name}: pip install "recollect[cli]"\n')
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    run()
