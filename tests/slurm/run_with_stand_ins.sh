#!/usr/bin/env bash
# Runs a batch script with stand-ins for srun, mpirun, scontrol and tutti that write down how they were called.
#
#   run_with_stand_ins.sh SCRIPT
# shellcheck disable=SC2317  # the functions are called through expect
set -euo pipefail

script=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
export PATH=$work/bin:$PATH CALLS=$work/calls

# srun and mpirun write their arguments down, and last as long as the file HOLD is there.
for program in srun mpirun; do
  cat >"$work/bin/$program" <<END
#!/usr/bin/env bash
echo "$program \$*" >>"\$CALLS"
while [[ -e $work/HOLD ]]; do sleep 0.05; done
exit "\${TRAINING_ENDS_WITH:-0}"
END
done
cat >"$work/bin/scontrol" <<'END'
#!/usr/bin/env bash
echo "scontrol $*" >>"$CALLS"
END
chmod +x "$work"/bin/*

export SLURM_JOB_ID=42 SLURM_JOB_NAME=tutti SLURM_JOB_NODELIST="n[1-2]" SLURM_SUBMIT_DIR=/project
export SLURM_NTASKS=16 SLURM_NTASKS_PER_NODE=8 SLURM_CPUS_PER_TASK=4

problems=0
# expect WHAT COMMAND...: the command must succeed.
expect() {
  local what=$1
  shift
  if ! "$@"; then
    echo "$(basename "$script"): $what; calls were:" >&2
    cat "$CALLS" >&2
    problems=$((problems + 1))
  fi
}
called() { grep -qE -- "$1" "$CALLS"; }
not_called() { ! called "$1"; }
ends_with() {
  local wanted=$1 status=0
  shift
  : >"$CALLS"
  "$@" >"$work/output" 2>&1 || status=$?
  [[ $status -eq $wanted ]] || { cat "$work/output" >&2; echo "status $status, not $wanted" >&2; return 1; }
}

expect "no arguments must be refused" ends_with 2 bash "$script"
expect "an unknown launcher must be refused" ends_with 2 env LAUNCHER=rsh bash "$script" a.toml "$work/new"

expect "a first attempt must succeed" ends_with 0 bash "$script" a.toml "$work/new"
expect "srun must start tutti" called "^srun .*--mpi=pmix .*/project/build/bin/tutti train a\.toml --out $work/new --set train.threads=4\$"

mkdir -p "$work/there/checkpoints"
expect "an existing folder must be tutti's to judge" ends_with 0 bash "$script" a.toml "$work/there"
expect "without a checkpoint there is nothing to resume" not_called --resume
expect "the folder of a first attempt must stay" test -d "$work/there"
expect "a second attempt must succeed" ends_with 0 env SLURM_RESTART_COUNT=1 bash "$script" a.toml "$work/there"
expect "a folder without checkpoint must be put aside" test -d "$work/there.stopped-1" -a ! -e "$work/there"
mkdir -p "$work/there/checkpoints"
touch "$work/there/checkpoints/step-000000000007.h5"
expect "a third attempt must succeed" ends_with 0 env SLURM_RESTART_COUNT=2 bash "$script" a.toml "$work/there"
expect "an attempt with a checkpoint must resume" called "--out $work/there .*--resume\$"

expect "mpirun must do too" ends_with 0 env LAUNCHER=mpirun TUTTI=/opt/tutti bash "$script" a.toml "$work/new"
expect "mpirun must start TUTTI" called '^mpirun -n 16 .*PE=4.* /opt/tutti train a\.toml'

expect "a failed training must fail the job" ends_with 3 env TRAINING_ENDS_WITH=3 bash "$script" a.toml "$work/new"
expect "a failed training must not be put back" not_called '^scontrol'

# The signal that comes before the time limit. The training goes on until Slurm, here this script, ends it.
wait_for_call() {
  local i
  for ((i = 0; i < 200; i++)); do
    if called "$1"; then return 0; fi
    sleep 0.05
  done
  return 1
}
: >"$CALLS"
touch "$work/HOLD"
bash "$script" a.toml "$work/new" >"$work/output" 2>&1 &
job=$!
expect "the training must start" wait_for_call '^srun'
kill -USR1 "$job"
expect "USR1 must put the job back" wait_for_call '^scontrol requeue 42$'
rm "$work/HOLD"
wait "$job" || true

exit $((problems > 0))
