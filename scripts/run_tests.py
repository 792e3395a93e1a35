"""Runs every test program of a build and the pytest suites, and counts all of it together.

usage: run_tests.py BUILD [--all] [-k WORDS]
"""

import argparse
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# No single program may hang the whole run.
PROGRAM_DEADLINE_S = 1500
LONG_PROGRAM_DEADLINE_S = 6 * 3600
SUITES_THAT_TRAIN = {"e2e", "docs"}
# What the presets that sanitize tell their runtimes; what a user's environment says goes first.
SANITIZER_OPTIONS = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
    "tsan": {"TSAN_OPTIONS": "second_deadlock_stack=1"},
}


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def count_gtest(report, name):
    count = Count()
    for suite in report.get("testsuites", []):
        for case in suite["testsuite"]:
            full_name = f"{name}: {suite['name']}.{case['name']}"
            if case.get("failures"):
                count.failed.append(full_name)
            elif case.get("result") == "SKIPPED":
                reason = "; ".join(entry.get("message", "").strip() for entry in case.get("skipped", []))
                count.skipped.append(f"{full_name}: {reason}")
            elif case.get("status") == "RUN":
                count.passed += 1
    return count


def count_pytest(report_file, name):
    count = Count()
    for case in xml.etree.ElementTree.parse(report_file).getroot().iter("testcase"):
        full_name = f"{name}: {case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed.append(full_name)
        elif skipped is not None:
            count.skipped.append(f"{full_name}: {skipped.get('message')}")
        else:
            count.passed += 1
    return count


def run(command, environment, deadline_s):
    started = time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=deadline_s)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        status, output = 124, (expired.stdout or b"").decode(errors="replace") + "\nran past its deadline"
    return status, output, time.monotonic() - started


class Runner:
    def __init__(self, build, all_tests, words):
        self.build, self.words = build, words
        self.reports = build / "test-reports"
        self.reports.mkdir(exist_ok=True)
        self.deadline_s = LONG_PROGRAM_DEADLINE_S if all_tests else PROGRAM_DEADLINE_S
        self.environment = dict(SANITIZER_OPTIONS.get(build.name, {}), **os.environ)
        self.environment.update(TUTTI_BUILD=str(build), TUTTI_TEST_ALL="1" if all_tests else "",
                                PYTHONDONTWRITEBYTECODE="1")

    def _finish(self, name, status, output, seconds, count):
        if status not in (0, 5) and not count.failed:  # 5: pytest chose no test
            count.failed.append(f"{name}: exit status {status}")
        print(f"{name} ({seconds:.0f} s): {count.passed} passed, {len(count.failed)} failed, "
              f"{len(count.skipped)} skipped", flush=True)
        if count.failed:
            print(output[-20000:], flush=True)
        return count

    def run_program(self, program):
        report = self.reports / f"{program.name}.json"
        report.unlink(missing_ok=True)
        command = [str(program), f"--gtest_output=json:{report}", "--gtest_brief=1"]
        if self.words:
            command.append("--gtest_filter=" + ":".join(f"*{word}*" for word in self.words.split()))
        status, output, seconds = run(command, self.environment, self.deadline_s)
        count = count_gtest(json.loads(report.read_text()), program.name) if report.exists() else Count()
        return self._finish(program.name, status, output, seconds, count)

    def run_pytest(self, folder):
        name = folder.relative_to(ROOT).as_posix()
        report = self.reports / (name.replace("/", "-") + ".xml")
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}",
                   str(folder)]
        if self.words:
            command += ["-k", " or ".join(self.words.split())]
        status, output, seconds = run(command, self.environment, self.deadline_s)
        count = count_pytest(report, name) if report.exists() else Count()
        return self._finish(name, status, output, seconds, count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-k", dest="words", default="")
    options = parser.parse_args()
    runner = Runner(options.build.resolve(), options.all, options.words)
    tests = runner.build / "tests"
    programs = [tests / name for name in (tests / "programs.txt").read_text().split()]
    suites = sorted({path.parent for path in (ROOT / "tests").rglob("test_*.py")})

    total = Count()
    # LibTorch's threads cannot be seen by ThreadSanitizer, so that preset has no trainer to drive.
    has_trainer = (runner.build / "bin/tutti-trainer").exists()
    driven = [suite for suite in suites if has_trainer or suite.name not in SUITES_THAT_TRAIN]
    for suite in suites:
        if suite not in driven:
            total.skipped.append(f"{suite.relative_to(ROOT)}: {runner.build.name} is built without tutti-trainer")
    # The longest suite first: beside it, one after the other, goes everything else.
    driven.sort(key=lambda suite: suite.name != "e2e")
    with ThreadPoolExecutor(max_workers=2) as pool:
        started = [pool.submit(runner.run_pytest, suite) for suite in driven[:1]]
        started += [pool.submit(runner.run_program, program) for program in programs]
        started += [pool.submit(runner.run_pytest, suite) for suite in driven[1:]]
        for one in started:
            total.add(one.result())

    for reason in total.skipped:
        print(f"skipped: {reason}")
    for name in total.failed:
        print(f"FAILED: {name}")
    if total.passed == 0 and not total.failed:
        total.failed.append("no test ran")
        print("FAILED: no test ran")
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(total.skipped)} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
