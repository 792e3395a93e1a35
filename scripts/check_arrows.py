"""Holds the includes of every source file against the arrows between the modules (ARCHITECTURE.md).

usage: check_arrows.py [ROOT]    prints each include that runs against an arrow; exit 1 when there is one
"""

import re
import sys
from pathlib import Path

# A folder may include itself, its subfolders and these. The longest matching folder decides.
ALLOWED = {
    "common": [],
    "storage": ["common"],
    "ensemble": ["common"],
    "coordinator": ["common", "storage", "ensemble"],
    "coordinator/core": ["common", "ensemble"],
    "worker": ["common"],
    "worker/agent": ["common", "storage/checkpoints", "worker/launch", "worker/transfer"],
    "worker/launch": ["common"],
    "worker/transfer": ["common", "storage/checkpoints"],
    "worker/trainer": ["common", "storage/checkpoints"],
    "worker/trainer/data": ["common"],
    "worker/trainer/models": ["common"],
    "cli": ["common", "storage", "ensemble", "coordinator", "worker/agent", "worker/launch", "worker/transfer"],
}
MODULES = {folder.split("/")[0] for folder in ALLOWED}
TORCH_FOLDER = "worker/trainer"
TORCH = re.compile(r'#include\s+[<"](torch|ATen|c10|caffe2)/')
INCLUDE = re.compile(r'#include\s+[<"]([^">]+)[">]')


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


def rule_for(path):
    folders = [folder for folder in ALLOWED if within(path, folder)]
    return max(folders, key=len) if folders else None


def complaints_of(path, text):
    rule = rule_for(path)
    for number, line in enumerate(text.splitlines(), 1):
        if TORCH.match(line.strip()) and not within(path, TORCH_FOLDER):
            yield f"{path}:{number}: {line.strip()}: LibTorch is included under {TORCH_FOLDER}/ alone"
        include = INCLUDE.match(line.strip())
        if not include or include[1].split("/")[0] not in MODULES:
            continue
        if not any(within(include[1], folder) for folder in [rule, *ALLOWED[rule]]):
            allowed = ", ".join(f"{folder}/" for folder in [rule, *ALLOWED[rule]])
            yield f"{path}:{number}: {line.strip()}: {rule}/ may include {allowed} alone"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    complaints = []
    for module in sorted(MODULES):
        for file in sorted((root / module).rglob("*")):
            if file.suffix in (".h", ".cc"):
                complaints += complaints_of(file.relative_to(root).as_posix(), file.read_text())
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
