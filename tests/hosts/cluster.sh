#!/usr/bin/env bash
# Several hosts with a network between them, on one machine: a network namespace for each, joined by a bridge.
#
#   cluster.sh up HOSTS [RATE]                    brings HOSTS hosts up and prints the cluster's name; RATE, as tc takes it
#                                                 (1gbit), is what each host's link carries each way
#   cluster.sh down                               ends what runs on the hosts and removes them
#   cluster.sh with HOSTS [RATE] -- COMMAND...    up, the command, down, whatever becomes of it
#   cluster.sh mpirun [ARGUMENT...]               mpirun over all hosts, SLOTS ranks to each (1)
#   cluster.sh exec HOST COMMAND...               runs a command on a host, 1 to HOSTS
#   cluster.sh link HOST up|down                  plugs a host's cable in, or pulls it
#   cluster.sh hosts                              the number of hosts
#   cluster.sh list                               names of the clusters that are up
#
# TUTTI_CLUSTER names the cluster that is meant; without it, the only one that is up. COMMAND of `with` has it set. Host N has
# the address 10.77.0.N. Exit status 77: the machine or the user cannot have namespaces.
#
# The bridge lives in a namespace of its own, and so does mpirun: the machine's network is left alone, and clusters can only
# collide in their names. File systems, /dev/shm among them, and process numbers are common to all hosts.
#
# mpirun waits with sched_yield if there are more ranks than cores (OMPI_MCA_mpi_yield_when_idle, unless it is set).
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin  # where users have no ip and tc in theirs
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
subnet=10.77.0
name=${TUTTI_CLUSTER:-}

fail() {
  printf 'cluster: %s\n' "$1" >&2
  exit "${2:-1}"
}
usage() { fail "$1; the head of $0 tells the usage" 2; }

# ---- What the machine must have ------------------------------------------------------------------------------------------

missing() { fail "cannot have hosts here: $1" 77; }

# Tried in a namespace without a name, which ends with the command that made it.
require_namespaces() {
  local program
  for program in ip tc unshare flock hostname; do
    command -v "$program" >/dev/null || missing "no program $program (Debian packages iproute2, util-linux, hostname)"
  done
  unshare --net --uts --mount true 2>/dev/null || missing "no right to make namespaces (root, or CAP_SYS_ADMIN)"
  unshare --net ip link add name probe type bridge 2>/dev/null || missing "no bridges (CAP_NET_ADMIN, kernel module bridge)"
  unshare --net ip link add name probe type veth peer name peer 2>/dev/null ||
    missing "no pairs of interfaces (kernel module veth)"
  [[ -z $1 ]] || unshare --net tc qdisc add dev lo root tbf rate 1gbit burst 256k latency 20ms 2>/dev/null ||
    missing "no token buckets (kernel module sch_tbf)"
}

# ---- Up and down ---------------------------------------------------------------------------------------------------------

# Namespaces of the cluster: the bridge's and the hosts'.
namespaces() { ip netns list | awk -v name="$name" '$1 == name || index($1, name "-h") == 1 { print $1 }'; }
clusters() { ip netns list | awk '$1 ~ /^tutti-[0-9]+$/ { print $1 }' | sort -V; }
folder() { echo "/run/$name"; }

# take_name [OWNER]: one after the other, since this also removes what owners (the processes of `with`) that were killed left.
take_name() {
  local lock index owner_file
  exec {lock}</run
  flock --wait 60 "$lock" || fail "another cluster keeps the lock on /run"
  for owner_file in /run/tutti-*/owner; do
    if [[ -e $owner_file && ! -e /proc/$(<"$owner_file") ]]; then
      name=$(basename "$(dirname "$owner_file")") && tear_down
    fi
  done
  name=""
  for ((index = 0; index < 1000; ++index)); do
    if [[ ! -e /run/netns/tutti-$index ]]; then break; fi
  done
  name=tutti-$index
  mkdir -p "$(folder)"
  [[ -z ${1:-} ]] || echo "$1" >"$(folder)/owner"
  ip netns add "$name" || missing "ip netns add fails"
  exec {lock}<&-
}

# shape NAMESPACE INTERFACE RATE. What comes after a pause is not shaped, up to the bucket's size; one of 64k gave half of 1gbit on a
# busy machine, whose timers come late.
shape() { tc -n "$1" qdisc add dev "$2" root tbf rate "$3" burst 256k latency 20ms; }

add_host() {
  local number=$1 rate=$2 host=$name-h$1
  ip netns add "$host"
  ip -n "$name" link add "v$number" type veth peer name eth0 netns "$host"
  ip -n "$name" link set "v$number" master bridge up
  ip -n "$host" address add "$subnet.$number/24" dev eth0
  ip -n "$host" link set eth0 up
  ip -n "$host" link set lo up
  [[ -z $rate ]] || { shape "$host" eth0 "$rate" && shape "$name" "v$number" "$rate"; }
}

# on_exit FUNCTION: calls it however the script ends, but for SIGKILL.
on_exit() {
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # shellcheck disable=SC2064  # the function is known now
  trap "trap '' HUP INT TERM; $1" EXIT
}

# bring_up OWNER HOSTS [RATE]: sets `name`. The caller has a trap for the case that a step fails.
bring_up() {
  local owner=$1 hosts=${2:-} rate=${3:-} number
  [[ $hosts =~ ^[1-9][0-9]?$ ]] || usage "HOSTS is 1 to 99, not '$hosts'"
  [[ $# -le 3 ]] || usage "what comes up is HOSTS [RATE], no more"
  require_namespaces "$rate"
  take_name "$owner"
  ln -sfn "$here/agent.sh" "$(folder)/agent"  # Open MPI splits the agent's path at spaces
  ip -n "$name" link set lo up
  ip -n "$name" link add bridge type bridge
  ip -n "$name" address add "$subnet.254/24" dev bridge
  ip -n "$name" link set bridge up
  for ((number = 1; number <= hosts; ++number)); do add_host "$number" "$rate"; done
}

tear_down() {
  [[ $name =~ ^tutti-[0-9]+$ ]] || return 0
  local namespace limit=$((SECONDS + 10)) processes
  while :; do
    processes=$(for namespace in $(namespaces); do ip netns pids "$namespace"; done)
    [[ -n $processes ]] || break
    ((SECONDS < limit)) || fail "$name: processes $(xargs <<<"$processes") cannot be ended"
    xargs -r kill -KILL <<<"$processes" 2>/dev/null || true
    sleep 0.05
  done
  for namespace in $(namespaces); do
    rm -f /dev/shm/*".$namespace."*  # Open MPI's, of ranks that were killed
    if [[ $namespace != "$name" ]]; then ip netns delete "$namespace"; fi
  done
  rm -rf "$(folder)"
  # Last, since with it the name is free.
  [[ ! -e /run/netns/$name ]] || ip netns delete "$name"
}

up_command() {
  name=""
  on_exit tear_down
  bring_up "" "$@"
  trap - EXIT
  echo "$name"
}

down_command() { tear_down; }
hosts_command() { namespaces | grep -c -- '-h'; }

with_command() {
  local arguments=() status=0
  while [[ $# -gt 0 && $1 != -- ]]; do
    arguments+=("$1")
    shift
  done
  [[ $# -ge 2 ]] || usage "with takes HOSTS [RATE] -- COMMAND..."
  shift
  name="" child=""
  on_exit end_with
  bring_up $$ ${arguments[@]+"${arguments[@]}"}
  set -m  # a process group of its own
  TUTTI_CLUSTER=$name "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  child=""
  exit "$status"
}

# The command first hears of it, then loses what it runs on the hosts, and is ended if that was not enough.
end_with() {
  local attempt
  [[ -z $child ]] || kill -TERM -- "-$child" 2>/dev/null || true
  tear_down
  [[ -n $child ]] || return 0
  for ((attempt = 0; attempt < 20; ++attempt)); do
    kill -0 -- "-$child" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$child" 2>/dev/null || true
}

# ---- Use -----------------------------------------------------------------------------------------------------------------

# The cluster that is meant.
find_cluster() {
  if [[ -z $name ]]; then
    local all
    mapfile -t all < <(clusters)
    [[ ${#all[@]} -eq 1 ]] || fail "${#all[@]} clusters are up: say by TUTTI_CLUSTER which is meant"
    name=${all[0]}
  fi
  [[ $name =~ ^tutti-[0-9]+$ && -e /run/netns/$name ]] || fail "no cluster $name is up"
}

require_host() { [[ ${1:-} =~ ^[0-9]+$ && -e /run/netns/$name-h$1 ]] || usage "there is no host '${1:-}' in $name"; }

mpirun_command() {
  local launcher=${MPIRUN:-mpirun} slots=${SLOTS:-1} hosts list
  [[ $("$launcher" --version 2>&1) == *"(Open"* ]] || missing "$launcher is not Open MPI's"
  hosts=$(hosts_command)
  list=$(seq -f "$subnet.%g:$slots" -s , 1 "$hosts")
  ((hosts * slots <= $(nproc))) || export OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}
  # Ranks are not bound: each host takes itself for the owner of all cores, and all would be bound to the first.
  TUTTI_CLUSTER=$name OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    exec ip netns exec "$name" "$launcher" --host "$list" --bind-to none --mca orte_tmpdir_base "$(folder)" \
    --mca plm_rsh_agent "$(folder)/agent" --mca plm_rsh_no_tree_spawn 1 --mca oob_tcp_if_include "$subnet.0/24" \
    --mca btl tcp,self --mca btl_tcp_if_include "$subnet.0/24" "$@"
}

exec_command() {
  require_host "${1:-}"
  local host=$1
  shift
  [[ $# -ge 1 ]] || usage "exec takes HOST COMMAND..."
  # shellcheck disable=SC2016  # expanded by the inner shell
  exec ip netns exec "$name-h$host" unshare --uts sh -c 'hostname "$0" && exec "$@"' "$name-h$host" "$@"
}

link_command() {
  require_host "${1:-}"
  [[ ${2:-} == up || ${2:-} == down ]] || usage "link takes HOST up|down"
  ip -n "$name" link set "v$1" "$2"
}

command=${1:-}
shift || true
case $command in
  list) clusters ;;
  up | with) "${command}_command" "$@" ;;
  down | mpirun | exec | link | hosts)
    find_cluster
    "${command}_command" "$@"
    ;;
  *) usage "no command '$command'" ;;
esac
