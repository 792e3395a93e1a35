"""joblib: as many calls as there are tasks, each of which starts a program, on as many threads as we have slots; and the
same of a function that does nothing, on processes that stay.

usage: idle_joblib.py TASKS SLOTS PROGRAM ARGUMENT...
"""

import json
import os
import subprocess
import sys
import time

from joblib import Parallel, delayed


def nothing():
    pass


tasks, slots = map(int, sys.argv[1:3])
started = time.perf_counter()
Parallel(n_jobs=slots, backend="threading")(delayed(subprocess.run)(sys.argv[3:]) for _ in range(tasks))
programs_s = time.perf_counter() - started
started = time.perf_counter()
Parallel(n_jobs=os.cpu_count())(delayed(nothing)() for _ in range(tasks))
print(json.dumps({"wall_seconds": programs_s, "function_seconds": time.perf_counter() - started}))
