#!/usr/bin/env bash
# A real Slurm of two nodes on this one machine, to try Tutti and its tests on.
#
#   scripts/slurm_sandbox.sh up       starts it (some seconds) and says how to use it; where it is up, only says so
#   scripts/slurm_sandbox.sh env      what a shell needs: eval "$(scripts/slurm_sandbox.sh env)"
#   scripts/slurm_sandbox.sh status   its nodes, partitions and jobs; exits with 1 where it is not up
#   scripts/slurm_sandbox.sh down     ends its jobs and daemons and deletes its folder
#   scripts/slurm_sandbox.sh cut NODE a power cut: everything on n1 or n2 is gone at once; `up` brings it back
#
#   --dir DIR   where everything that belongs to it lies: /tmp/tutti-slurm-UID, or TUTTI_SLURM_SANDBOX. Several can be up
#               at once, each in a folder of its own. The path must be short: sockets lie below it.
#
# It needs root, namespaces and the packages of scripts/packages_slurm.txt (scripts/setup.sh --slurm installs them); `up`
# exits with 77 where it cannot have one of these. A Slurm that the machine may belong to is not touched: ports,
# configuration, munge key and socket are its own.
#
# Nodes n1 and n2 have two CPUs each on paper, which they share with the machine; each is a PID, mount and host name
# namespace of its own. Partitions: `debug` (the default), `short` (one node, ten minutes at most; what asks for more is
# refused) and `urgent`, whose jobs take nodes from those of the others: these have five seconds to end, and are queued
# again.
set -euo pipefail

START_DEADLINE_S=60
STOP_DEADLINE_S=30
PARTS=(munge controller n1 n2) # in the order in which they start

fail() {
  echo "slurm_sandbox: $*" >&2
  exit 1
}

cannot() {
  echo "slurm_sandbox: $*" >&2
  exit 77
}

usage() { sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

wait_until() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "$what within the time it has; its logs are in $box"
    sleep 0.1
  done
}

check_requirements() {
  [ "$(id -u)" -eq 0 ] || cannot "needs root: it makes namespaces and runs jobs as Slurm would"
  local missing=() package
  while read -r package; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done < <(sed 's/#.*//; /^[[:space:]]*$/d' "$(dirname "${BASH_SOURCE[0]}")/packages_slurm.txt")
  [ ${#missing[@]} -eq 0 ] || cannot "these packages are missing: ${missing[*]}; scripts/setup.sh --slurm installs them"
  unshare --mount --uts --pid --fork --mount-proc true 2>/dev/null ||
    cannot "this machine lets nobody make mount, PID and host name namespaces (a container without the privilege?)"
  [ ${#box} -le 70 ] || fail "$box is too long for the sockets below it: name a shorter one with --dir"
}

# Its processes: each part is the leader of a session whose process id lies in PART.pid, with the time that it started
# at, since ids are used again.
started_at() { awk '{ sub(/.*\) /, ""); if ($1 != "Z") print $20 }' "/proc/$1/stat" 2>/dev/null; }

is_running() { # PART
  local pid since
  read -r pid since 2>/dev/null <"$box/$1.pid" || return 1
  [ -n "$since" ] && [ "$(started_at "$pid")" = "$since" ]
}

start() { # PART COMMAND...
  local part=$1
  shift
  is_running "$part" && return
  setsid "$@" </dev/null >>"$box/$part.out" 2>&1 &
  echo "$! $(started_at $!)" >"$box/$part.pid"
  disown
}

stop() { # PART
  is_running "$1" || return 0
  local pid since
  read -r pid since <"$box/$1.pid"
  kill -KILL "$pid" 2>/dev/null || true
}

free_ports() { # COUNT
  /usr/bin/python3 - "$1" <<'PYTHON'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in held))
PYTHON
}

write_configuration() {
  local controller n1 n2
  read -r controller n1 n2 < <(free_ports 3)
  cat >"$box/slurm.conf" <<CONFIGURATION
ClusterName=tutti
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$controller
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$box/munge.socket
CredType=cred/munge
StateSaveLocation=$box/state
SlurmdSpoolDir=$box/spool-%n
SlurmctldPidFile=$box/slurmctld.pid
SlurmdPidFile=$box/slurmd-%n.pid
SlurmctldLogFile=$box/slurmctld.log
SlurmdLogFile=$box/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
# A node has what the lines below say, whatever the machine has.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# Limits are answered when a job is submitted, as most sites have it.
EnforcePartLimits=ALL
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=10
# A node that is cut off is given up soon, and is there again as soon as it answers.
SlurmdTimeout=15
SlurmctldTimeout=30
ReturnToService=2
SchedulerParameters=sched_interval=5,bf_interval=5
NodeName=n1 NodeAddr=127.0.0.1 Port=$n1 CPUs=2 RealMemory=4000 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 Port=$n2 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=n1,n2 Default=YES MaxTime=INFINITE DefaultTime=60 PriorityTier=1 GraceTime=5
PartitionName=short Nodes=n1,n2 MaxTime=10 MaxNodes=1 PriorityTier=1 GraceTime=5
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE DefaultTime=60 PriorityTier=9
CONFIGURATION
  echo "PMIxCliTmpDirBase=$box/pmix" >"$box/mpi.conf"
  : >"$box/cgroup.conf"
  { cat /etc/hosts; echo "127.0.0.1 n1 n2"; } >"$box/hosts"
  dd if=/dev/urandom of="$box/munge.key" bs=128 count=1 status=none
  chmod 400 "$box/munge.key"
}

# Becomes the first process of a node; its end is the end of all that the node runs.
run_node() { # NODE
  mount --make-rprivate /
  mount --bind "$box/hosts" /etc/hosts
  mount -t tmpfs none "$box/pmix" # each node's PMIx wants a folder of its own at this path
  hostname "$1"
  /usr/sbin/slurmd -D -N "$1" &
  wait
}

all_run() {
  local part
  for part in "${PARTS[@]}"; do is_running "$part" || return 1; done
}

say_how_to_use_it() {
  echo "A Slurm of two nodes is up in $box. To use it: eval \"\$($0 --dir $box env)\""
}

nodes_are_ready() { [ "$(sinfo --noheader --Node --partition=debug --format=%T | grep -cE '^(idle|mixed|allocated)$')" = 2 ]; }

up() {
  check_requirements
  if all_run; then
    say_how_to_use_it
    return
  fi
  mkdir -p "$box"/{state,spool-n1,spool-n2,pmix}
  chmod 755 "$box"
  [ -f "$box/slurm.conf" ] || write_configuration
  start munge /usr/sbin/munged --foreground --force --num-threads=2 --key-file="$box/munge.key" \
    --socket="$box/munge.socket" --pid-file="$box/munged.pid" --log-file="$box/munged.log" --seed-file="$box/munged.seed"
  wait_until "$START_DEADLINE_S" "munged did not start" munge --socket="$box/munge.socket" --no-input
  start controller /usr/sbin/slurmctld -D
  local node
  for node in n1 n2; do
    start "$node" unshare --mount --uts --pid --fork --kill-child --mount-proc \
      bash "${BASH_SOURCE[0]}" --dir "$box" run-node "$node"
  done
  wait_until "$START_DEADLINE_S" "the nodes n1 and n2 did not come up" nodes_are_ready
  say_how_to_use_it
}

is_gone() { ! is_running "$1"; }

none_runs() {
  local part
  for part in "${PARTS[@]}"; do is_gone "$part" || return 1; done
}

down() {
  [ -d "$box" ] || return 0
  [ -f "$box/slurm.conf" ] || fail "$box is no sandbox: it has no slurm.conf; it is left alone"
  local part
  # What they would write down is deleted anyway.
  for part in "${PARTS[@]}"; do stop "$part"; done
  wait_until "$STOP_DEADLINE_S" "not all of it ended" none_runs
  rm -rf "$box"
}

cut_power() { # NODE
  case "$1" in n1 | n2) ;; *) fail "the nodes are n1 and n2, not '$1'" ;; esac
  stop "$1"
  wait_until "$STOP_DEADLINE_S" "$1 did not end" is_gone "$1"
}

status() {
  local part missing=()
  for part in "${PARTS[@]}"; do is_running "$part" || missing+=("$part"); done
  if is_running munge && is_running controller; then
    timeout 20 sinfo
    timeout 20 squeue
  fi
  [ ${#missing[@]} -eq 0 ] || fail "not up in $box: ${missing[*]}; \`$0 --dir $box up\` starts what is missing"
}

box=${TUTTI_SLURM_SANDBOX:-/tmp/tutti-slurm-$(id -u)}
words=()
while [ $# -gt 0 ]; do
  case "$1" in
    --dir)
      box=${2:?--dir needs a folder}
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) words+=("$1") ;;
  esac
  shift
done
box=$(realpath -m -- "$box")
case "$box" in *[!A-Za-z0-9_./-]*) fail "$box has characters that Slurm's configuration cannot hold" ;; esac
export SLURM_CONF=$box/slurm.conf

case "${words[*]:-}" in
  up) up ;;
  down) down ;;
  status) status ;;
  env) echo "export SLURM_CONF='$SLURM_CONF' TUTTI_SLURM_SANDBOX='$box'" ;;
  "cut "*) cut_power "${words[1]}" ;;
  "run-node "*) run_node "${words[1]}" ;;
  *)
    usage >&2
    exit 2
    ;;
esac
