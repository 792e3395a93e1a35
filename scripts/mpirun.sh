#!/usr/bin/env bash
# Trains an experiment on several nodes, and ends as `tutti run` alone would: 0, 1, 5 (docs/command-line.md). mpirun
# itself returns 0 whatever happened, since it is told to outlive the loss of a rank. For Open MPI 4; docs/mpi.md has
# the words for Open MPI 5.
#
#   scripts/mpirun.sh --hostfile HOSTS --map-by ppr:1:node --bind-to none -- EXPERIMENT [OPTIONS OF tutti run]
#
# Prints the ensemble's id; `tutti watch` shows from another terminal how it goes.
set -euo pipefail

launch=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  launch+=("$1")
  shift
done
if [ $# -lt 2 ]; then
  sed -n '/^#   /s/^# *//p' "$0" >&2
  exit 2
fi
shift

home=()
for ((i = 1; i < $#; ++i)); do
  next=$((i + 1))
  if [ "${!i}" = --home ]; then home=(--home "${!next}"); fi
done

# Both options: either alone does not do.
id=$(mpirun "${launch[@]}" --mca orte_abort_on_non_zero_status 0 --enable-recovery tutti run --quiet "$@")
id=${id%%[^A-Za-z0-9._-]*} # what mpirun gives its ranks for a terminal ends lines in its own way
if [ -z "$id" ]; then exit 1; fi # nothing began; rank 0 has said why
echo "$id"
exec tutti show "$id" --exit-code "${home[@]}"
