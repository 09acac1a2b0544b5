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

# srun and mpirun write their arguments down, and last as long as the file HOLD is there, or until USR1.
for program in srun mpirun; do
  cat >"$work/bin/$program" <<END
#!/usr/bin/env bash
echo "$program \$*" >>"\$CALLS"
trap 'echo "$program got USR1" >>"\$CALLS"; exit "\${USR1_ENDS_WITH:-3}"' USR1
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
expect "a run without checkpoint must be begun anew where it was" called "--out $work/there .*train.threads=4\$"
mkdir -p "$work/there/checkpoints"
touch "$work/there/checkpoints/step-000000000007.h5"
expect "a third attempt must succeed" ends_with 0 env SLURM_RESTART_COUNT=2 bash "$script" a.toml "$work/there"
expect "an attempt with a checkpoint must resume" called "--out $work/there .*--resume\$"

expect "mpirun must do too" ends_with 0 env LAUNCHER=mpirun TUTTI=/opt/tutti bash "$script" a.toml "$work/new"
expect "mpirun must start TUTTI" called '^mpirun -n 16 .*PE=4.* /opt/tutti train a\.toml'

# Slurm sets what the job's head asked for, and nothing else.
bare=(env -u SLURM_NTASKS -u SLURM_JOB_NODELIST)
wanted_ranks=$([[ $script == *multi* ]] && echo 16 || echo 8)
expect "without a number of tasks there are tasks per node" \
  ends_with 0 "${bare[@]}" SLURM_NNODES=2 LAUNCHER=mpirun bash "$script" a.toml "$work/new"
expect "the ranks must be nodes times tasks per node" called "^mpirun -n $wanted_ranks .*PE=4 "
expect "nothing at all must be one rank" \
  ends_with 0 "${bare[@]}" -u SLURM_NTASKS_PER_NODE -u SLURM_CPUS_PER_TASK LAUNCHER=mpirun bash "$script" a.toml "$work/new"
expect "one rank, and one thread" called "^mpirun -n 1 .*PE=1 .*train.threads=1\$"

expect "a failed training must fail the job" ends_with 3 env TRAINING_ENDS_WITH=3 bash "$script" a.toml "$work/new"
expect "a failed training must not be put back" not_called '^scontrol'

# The signal that comes before the time limit: the training writes a checkpoint, and the job goes back to the queue.
wait_for_call() {
  local i
  for ((i = 0; i < 200; i++)); do
    if called "$1"; then return 0; fi
    sleep 0.05
  done
  return 1
}
touch "$work/HOLD"
signal_a_job() {
  : >"$CALLS"
  USR1_ENDS_WITH=$1 bash "$script" a.toml "$work/new" >"$work/output" 2>&1 &
  job=$!
  expect "the training must start" wait_for_call '^srun --mpi'
  kill -USR1 "$job"
  expect "the training must get USR1" wait_for_call '^srun got USR1'
  job_status=0
  wait "$job" || job_status=$?
}
signal_a_job 3
expect "USR1 must put the job back" called '^scontrol requeue 42$'
signal_a_job 0
expect "a training that has come to its end is not put back" not_called '^scontrol'
expect "and its job has ended well" test "$job_status" -eq 0
signal_a_job 1
expect "a training that fails meanwhile is not put back" not_called '^scontrol'
expect "and its job has failed" test "$job_status" -eq 1
rm "$work/HOLD"

exit $((problems > 0))
