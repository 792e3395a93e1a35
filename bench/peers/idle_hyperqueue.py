"""HyperQueue's own local cluster, as many workers and CPUs as we have slots, and tasks that start a program.

usage: idle_hyperqueue.py TASKS WORKERS CPUS PROGRAM ARGUMENT...
"""

import json
import resource
import sys
import tempfile
import time

from hyperqueue.cluster import LocalCluster, WorkerConfig
from hyperqueue.job import Job

tasks, workers, cpus = map(int, sys.argv[1:4])
with tempfile.TemporaryDirectory() as folder, LocalCluster(folder) as cluster:
    for _ in range(workers):
        cluster.start_worker(WorkerConfig(cores=cpus))
    client = cluster.client()
    job = Job()
    for _ in range(tasks):
        job.program(sys.argv[4:], stdout=None, stderr=None)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    failed = not client.wait_for_jobs([client.submit(job)])
    wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps({"wall_seconds": wall_s, "cpu_seconds": cpu_s, "failed": failed}))
