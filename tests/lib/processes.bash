# For bats files that kill and wait: what there is of a VM's processes, and waiting for something to be so.
# shellcheck disable=SC2034 # variables are for the tests

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# Waits until the command succeeds, for so many milliseconds at most; programs with sanitizers are given more.
within() {
  local limit=$(($(now_ms) + $1 * ${KNALLER_PATIENCE:-1}))
  shift
  until "$@"; do
    if (($(now_ms) > limit)); then
      echo "still not so: $*"
      return 1
    fi
    sleep 0.005
  done
}

# A zombie has ended too: whoever is pid 1 here may be slow to reap it.
gone() {
  local pid
  for pid in "$@"; do
    ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" 2> /dev/null || return 1
  done
}

descendants() {
  local pid
  for pid in $(pgrep --parent "$1"); do
    echo "$pid"
    descendants "$pid"
  done
}

# Sets monitor, engine and processes (all of them, pasta and QEMU too) of a running VM.
look_at() {
  local seen
  seen=$(knaller inspect "$1" --json)
  monitor=$(jq .monitor_pid <<< "$seen")
  engine=$(jq .engine_pid <<< "$seen")
  mapfile -t processes < <(echo "$monitor"; descendants "$monitor")
}

state_of() { knaller ls -a --format '{{.Name}} {{.Status}}' | sed -n "s/^$1 //p"; }
is() { [[ $(state_of "$1") == "$2" ]]; }
