#!/usr/bin/env bash
# Formatting, the include arrows, the docs' links, the shell scripts. --fix formats.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=/usr/bin/python3
failed=0

step() {
  local name=$1
  shift
  if "$@"; then echo "check: $name ok"; else
    echo "check: $name FAILED" >&2
    failed=1
  fi
}

sources() { git ls-files --cached --others --exclude-standard '*.cc' '*.h'; }

formatting() {
  local unformatted
  unformatted=$(sources | while read -r file; do
    [ -f "$file" ] && ! clang-format-14 --dry-run -Werror "$file" 2>/dev/null && echo "$file"
  done || true)
  [ -z "$unformatted" ] || { printf 'not formatted (scripts/check.sh --fix):\n%s\n' "$unformatted"; return 1; }
}

shell_scripts() {
  git ls-files --cached --others --exclude-standard '*.sh' '*.sbatch' .ci/run | xargs -r shellcheck -S warning
}

if [ "${1:-}" = --fix ]; then
  sources | xargs -r clang-format-14 -i
fi
step formatting formatting
step arrows "$python" scripts/check_arrows.py
step links "$python" scripts/check_links.py
step "shell scripts" shell_scripts
exit "$failed"
