"""`python -m webhal_cpython` is `webhal`."""

import sys

from webhal_cpython.cli import main

sys.exit(main())
