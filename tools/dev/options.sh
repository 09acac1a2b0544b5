# shellcheck shell=bash
# ./run: the options of its commands.

preset=release mpi=openmpi label="" all="" seed="" cached="" ranks="" jobs="" scale="" quick="" cmake_options=() targets=()

# Options that a command takes beside -j and -D.
command_options() {
  case $1 in
    demo) echo "--ranks" ;;
    test) echo "--all --seed --preset --mpi --label" ;;
    build) echo "--preset --mpi --target" ;;
    lint) echo "--cached" ;;
    bench) echo "scale --quick" ;;
  esac
}

parse_options() {
  local known
  known=" $(command_options "$1") -j "
  shift
  while [[ $# -gt 0 ]]; do
    [[ $1 == -D?* || $known == *" $1 "* ]] || fail "$command does not take $1; ./run help lists the options"
    case $1 in
      --preset | --mpi | --label | --seed | --ranks | --target | -j)
        [[ $# -ge 2 ]] || fail "$1 needs a value"
        case $1 in
          --preset) preset=$2 ;;
          --mpi) mpi=$2 ;;
          --label) label=$2 ;;
          --seed) seed=$2 ;;
          --ranks) ranks=$2 ;;
          --target) targets+=("$2") ;;
          -j) jobs=$2 ;;
        esac
        shift 2
        ;;
      scale | --quick)
        [[ $1 == scale ]] && scale=yes || quick=yes
        shift
        ;;
      --all) all=yes && shift ;;
      --cached) cached=yes && shift ;;
      -D?*) cmake_options+=("$1") && shift ;;
    esac
  done
  [[ -z $quick || -n $scale ]] || fail "--quick belongs to bench scale"
  case $preset in
    release) build_dir=build ;;
    debug | asan | tsan) build_dir=build-$preset ;;
    *) fail "unknown preset $preset: release, debug, asan or tsan" ;;
  esac
  case $mpi in
    openmpi) ;;
    mpich) build_dir+=-mpich ;;
    *) fail "unknown MPI library $mpi: openmpi or mpich" ;;
  esac
  [[ $ranks =~ ^([1-9][0-9]*)?$ ]] || fail "--ranks wants a positive number, got $ranks"
  [[ $seed =~ ^(0|[1-9][0-9]{0,17})?$ ]] || fail "--seed wants a number of at most 18 digits, got $seed"
  [[ $jobs =~ ^([1-9][0-9]*)?$ ]] || fail "-j wants a positive number, got $jobs"
  jobs=${jobs:-$(build_jobs)}
}
