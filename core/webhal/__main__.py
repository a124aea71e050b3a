"""`python -m webhal` is the command `webhal`, of the PC's port; not sent to boards."""

import sys

from webhal_cpython.__main__ import main

sys.exit(main())
