"""One thread for each test process: several that wait for each other take longer than one."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before PyTorch is imported
