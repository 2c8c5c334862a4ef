"""``python -m tinynet`` is the command ``tinynet``."""

import sys

from tinynet.cli import main

if __name__ == "__main__":
    sys.exit(main())
