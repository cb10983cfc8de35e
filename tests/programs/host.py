"""Loads a library and calls its functions as it is told: one line in, one line out."""

import ctypes
import sys

libraries = []
for line in sys.stdin:
    words = line.split()
    if words[0] == "open":
        libraries.append(ctypes.CDLL(words[1]))
        print(len(libraries) - 1, flush=True)
    elif words[0] == "call":
        function = libraries[int(words[1])][words[2]]
        function.restype = ctypes.c_longlong
        print(function(), flush=True)
    else:
        break
