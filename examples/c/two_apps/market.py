"""The fourth application, in Python, which loads the library through ctypes: market.py LIBRARY [ORDERS]."""

import ctypes
import os
import sys

library = ctypes.CDLL(os.path.abspath(sys.argv[1]))
library.orders_add.argtypes = [ctypes.c_uint64]
library.orders_add.restype = ctypes.c_uint64

for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 10):
    print(f"Python: order {library.orders_add(100)}", flush=True)
sys.stdin.read(1)
