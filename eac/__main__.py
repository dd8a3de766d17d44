"""``python -m eac`` is the command ``eac``."""

import sys

from eac.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
