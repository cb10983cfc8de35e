"""A Python program that loads the library through ctypes and counts with it: count.py LIBRARY [TICKS]."""

import ctypes
import os
import sys
import time

library = ctypes.CDLL(os.path.abspath(sys.argv[1]))
library.visits_add.argtypes = [ctypes.c_ulonglong]
library.visits_add.restype = ctypes.c_ulonglong

for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 10):
    print(f"[{os.getpid()}] Python: visits = {library.visits_add(1)}", flush=True)
    time.sleep(0.2)
