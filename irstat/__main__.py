"""`python -m irstat` is the command `irstat`."""

import sys

from irstat.cli import main

sys.exit(main())
