#!/usr/bin/env bash
# Installs what Tutti is built from: Debian packages (scripts/packages.txt) and Python ones (requirements.txt, into .venv).
# Safe to repeat; says nothing and takes a moment when all is there.
#
#   --slurm                  a Slurm for scripts/slurm_sandbox.sh as well (scripts/packages_slurm.txt): tests that need one
#                            are skipped without it. Its services are not configured, and so do not start.
#
#   TUTTI_TORCH=cpu|cuda     which build of LibTorch (default: cuda where an NVIDIA driver answers and the CUDA toolkit
#                            that one compiles against it with is there, else cpu)
#   TUTTI_TORCH_INDEX=URL    the package index that torch comes from
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lists=(scripts/packages.txt)
for argument in "$@"; do
  case "$argument" in
    --slurm) lists+=(scripts/packages_slurm.txt) ;;
    *) echo "setup: unknown option $argument; see the head of scripts/setup.sh" >&2; exit 2 ;;
  esac
done

os_id=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown}")

packages() {
  local column=1
  [ "$os_id" = ubuntu ] && column=2
  sed 's/#.*//' "${lists[@]}" | awk -v column="$column" 'NF { print (column <= NF ? $column : $1) }'
}

missing_packages() {
  local package
  for package in $(packages); do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "setup: these packages are missing and installing them needs root:" >&2
      echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

torch_build() {
  if [ -n "${TUTTI_TORCH:-}" ]; then
    case "$TUTTI_TORCH" in
      cpu | cuda) echo "$TUTTI_TORCH" ;;
      *) echo "setup: TUTTI_TORCH is '$TUTTI_TORCH'; allowed are cpu and cuda" >&2; return 1 ;;
    esac
  elif command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
    if command -v nvcc >/dev/null || [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; then
      echo cuda
    else
      echo "setup: there is a GPU but no CUDA toolkit (nvcc) to build for it with: taking the CPU's LibTorch" >&2
      echo cpu
    fi
  else
    echo cpu
  fi
}

# The CPU build has a version of its own (2.13.0+cpu). Unless an index is named, it is looked for in the configured one
# first and then in PyTorch's own, where it is published.
install_torch() {
  local build=$1 version
  version=$(sed -n 's/^torch==//p' requirements.txt)
  [ "$build" = cpu ] && version+=+cpu
  # To pip, 2.13.0+cpu satisfies a wish for 2.13.0: the other build has to go first.
  if [ "$build" = cuda ] && .venv/bin/pip show -q torch 2>/dev/null; then .venv/bin/pip uninstall -q -y torch; fi
  if [ -n "${TUTTI_TORCH_INDEX:-}" ]; then
    .venv/bin/pip install -q --extra-index-url "$TUTTI_TORCH_INDEX" "torch==$version"
  elif [ "$build" = cuda ]; then
    .venv/bin/pip install -q "torch==$version"
  else
    .venv/bin/pip install -q "torch==$version" 2>/dev/null ||
      .venv/bin/pip install -q --extra-index-url https://download.pytorch.org/whl/cpu "torch==$version"
  fi
}

install_python() {
  local build=$1 stamp=.venv/installed wanted
  wanted="$build $(sha256sum <requirements.txt)"
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
  echo "setup: Python packages into .venv (torch: $build)"
  [ -x .venv/bin/pip ] || /usr/bin/python3 -m venv .venv
  install_torch "$build"
  .venv/bin/pip install -q -r <(grep -v '^torch==' requirements.txt)
  echo "$wanted" >"$stamp"
}

status=0
install_packages || status=1
if [ "$status" -eq 0 ] || /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
  build=$(torch_build)
  install_python "$build"
fi
exit "$status"
