"""The writer process: ``python -m peak_fast.tracking.writer FOLDER``."""

import sys

from peak_fast.tracking.writer.writer import main

sys.exit(main())
