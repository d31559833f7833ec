"""``python -m recollect.cli`` is ``recollect``."""

from recollect.cli import main

if __name__ == "__main__":
    main()
