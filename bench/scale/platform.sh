#!/usr/bin/env bash
# bench/scale/platform.sh [--describe] NETWORK RANKS: a SimGrid platform with at least so many hosts, on standard output.
# With --describe what tutti is told of it, as TUTTI_NETWORK: nothing, but of a torus.
#
# Every link carries 12.5 GB/s (100 Gb/s) each way with 1 us of latency. Networks:
#   flat           one switch that never blocks: two links between any two hosts
#   fat-tree       two levels, leaf switches of about sqrt(RANKS) hosts, half as many links up as down
#   torus          three dimensions as near to a cube as RANKS has; a host can drive all its six links at once
#   torus-limited  the same; all that a host sends, receives and passes on shares 25 GB/s
#   dragonfly      groups of two or more chassis; 4 links between groups, 2 between chassis, 1 between routers
set -euo pipefail

describe=
[[ ${1:-} != --describe ]] || { describe=1; shift; }
[[ $# -eq 2 ]] || { printf 'usage: bench/scale/platform.sh NETWORK RANKS\n' >&2; exit 2; }
network=$1 ranks=$2

case $ranks in
  16) hosts=16 tree='4,4;1,2' torus='4,2,2' dragonfly='2,4;2,2;2,1;2' ;;
  60) hosts=64 tree='8,8;1,4' torus='5,4,3' dragonfly='4,4;2,2;4,1;2' ;;
  64) hosts=64 tree='8,8;1,4' torus='4,4,4' dragonfly='4,4;2,2;4,1;2' ;;
  100) hosts=100 tree='10,10;1,5' torus='5,5,4' dragonfly='5,4;2,2;5,1;2' ;;
  256) hosts=256 tree='16,16;1,8' torus='8,8,4' dragonfly='8,4;2,2;8,1;2' ;;
  1024) hosts=1024 tree='32,32;1,16' torus='16,8,8' dragonfly='8,4;8,2;8,1;2' ;;
  *) printf 'platform.sh: error: no dimensions for %s ranks\n' "$ranks" >&2; exit 2 ;;
esac
case $network in
  flat) topology='' ;;
  fat-tree) topology="topology=\"FAT_TREE\" topo_parameters=\"2;$tree;1,1\"" ;;
  torus) hosts=$ranks topology="topology=\"TORUS\" topo_parameters=\"$torus\"" ;;
  torus-limited) hosts=$ranks topology="topology=\"TORUS\" topo_parameters=\"$torus\" limiter_link=\"25GBps\"" ;;
  dragonfly) topology="topology=\"DRAGONFLY\" topo_parameters=\"$dragonfly\"" ;;
  *) printf 'platform.sh: error: no network %s\n' "$network" >&2; exit 2 ;;
esac

if [[ -n $describe ]]; then
  [[ $network != torus* ]] || printf 'torus:%s,hop:1e-6' "${torus//,/x}"
  [[ $network != torus-limited ]] || printf ',ports:1'
  exit
fi

cat <<XML
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <zone id="world" routing="Full">
    <cluster id="$network" prefix="host-" suffix="" radical="0-$((hosts - 1))" speed="1Gf" bw="12.5GBps" lat="1us"
             sharing_policy="SPLITDUPLEX" $topology/>
  </zone>
</platform>
XML
