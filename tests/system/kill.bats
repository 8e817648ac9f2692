# SIGKILL for everybody, at every time: what is left ends within a second, ls tells the truth, rm cleans, the name is free again.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() { system_setup; }
teardown() { system_teardown; }

# After the end of all processes of `web`: what ls says, and that the VM can be used again in every way.
ended_as() {
  [[ $(state_of web) == "$1" ]] || { knaller ls -a; return 1; }
  k_exits 0 stop web
  k_exits 4 pause web
  k_exits 4 snapshot create web --no-disk
  no_lock_held
  k_exits 0 start -d web "${again[@]}"
  is web running
  k_exits 0 rm -f web
  nothing_left
}

again=()

# Starts `web` on an engine that hangs, kills its monitor or engine ($1) when both are there, and sees the command fail.
kill_while_starting() {
  local victim=$1 status=0
  shift
  knaller start -d web "$@" 2> "$BATS_TEST_TMPDIR/files/errors" 3>&- &
  command=$!
  children+=("$command")
  within 5000 is web starting
  within 5000 eval '[[ -n $(monitors_here) ]]'
  monitor=$(monitors_here)
  within 5000 eval 'engine=$(pgrep --parent $monitor)'
  kill -KILL "${!victim}"
  wait "$command" || status=$?
  cat "$BATS_TEST_TMPDIR/files/errors"
  [[ $status -eq 12 ]]
  within 1000 gone "$monitor" "$engine"
}

@test "a running VM whose monitor is killed is gone within a second, and crashed" {
  k_exits 0 start -d web
  look_at web
  kill -KILL "$monitor"
  within 1000 gone "${processes[@]}"
  k_exits 0 ls -a
  contains "$output" "killed"
  ended_as crashed
}

@test "a running VM with a network whose monitor is killed takes pasta with it" {
  with_network
  k_exits 0 start -d web --no-wait --port 0:80 --port 0:22
  look_at web
  [[ ${#processes[@]} -eq 3 ]]
  kill -KILL "$monitor"
  within 1000 gone "${processes[@]}"
  again=(--no-wait)
  ended_as crashed
}

@test "a running VM whose engine is killed is gone within a second, and crashed" {
  with_network
  k_exits 0 start -d web --no-wait
  look_at web
  kill -KILL "$engine"
  within 1000 gone "${processes[@]}"
  k_exits 0 logs web
  contains "$stderr" "the engine was killed by signal 9"
  again=(--no-wait)
  ended_as crashed
}

@test "a paused VM whose monitor or engine is killed is gone within a second" {
  for victim in monitor engine; do
    k_exits 0 start -d web
    k_exits 0 pause web
    look_at web
    kill -KILL "${!victim}"
    within 1000 gone "${processes[@]}"
    ended_as crashed
  done
}

@test "a VM whose monitor or engine is killed while it starts leaves nothing, and the command says so" {
  slow=$(engine_with '{"rules": [{"path": "/actions", "hang": "before"}]}')
  for victim in monitor engine; do
    kill_while_starting "$victim" --engine "$slow"
    nothing_left
  done
  k_exits 0 start -d web
}

@test "a VM that was stopped, and whose monitor or engine is killed while it starts again, is kept" {
  changing=$(engine_with '{}')
  k_exits 0 start -d web --engine "$changing"
  k_exits 0 stop web
  cp "$(engine_with '{"rules": [{"path": "/actions", "hang": "before"}]}')" "$changing"
  for victim in monitor engine; do
    kill_while_starting "$victim"
    [[ $(state_of web) == stopped || $(state_of web) == crashed ]]
    no_lock_held
  done
  cp "$(engine_with '{}')" "$changing"
  k_exits 0 start -d web
  is web running
}

@test "a VM whose monitor or engine is killed while it is being stopped has stopped for the command, too" {
  deaf=$(engine_with '{"guest": {"on_ctrl_alt_del": "ignore"}}')
  for victim in monitor engine; do
    k_exits 0 start -d web --engine "$deaf"
    look_at web
    knaller stop web --timeout 1h 3>&- &
    command=$!
    children+=("$command")
    stopping() { knaller ls | grep -q 'being stopped'; }
    within 5000 stopping
    kill -KILL "${!victim}"
    status=0
    wait "$command" || status=$?
    [[ $status -eq 0 ]]
    within 1000 gone "${processes[@]}"
    [[ $(state_of web) == stopped || $(state_of web) == crashed ]]
    k_exits 0 rm web
    nothing_left
  done
}

@test "a start that is killed at any moment is undone or leaves a whole VM, without a stale lock" {
  RANDOM=20261123
  local undone=0 whole=0 began time time_of_kill
  # Any moment of a start, however long one takes on this machine just now.
  began=${EPOCHREALTIME/./}
  k_exits 0 start -d web
  time=$((${EPOCHREALTIME/./} - began))
  k_exits 0 rm -f web
  for _ in {1..40}; do
    knaller start -d web > /dev/null 2>&1 3>&- &
    command=$!
    time_of_kill=$((RANDOM * time * 3 / 65536))
    sleep "$((time_of_kill / 1000000)).$(printf %06d $((time_of_kill % 1000000)))"
    kill -KILL "$command" 2> /dev/null || true
    wait "$command" 2> /dev/null || true
    settled() { is web running || { no_monitor_here && [[ -z $(state_of web) ]]; }; }
    within 2000 settled
    no_lock_held
    if is web running; then
      whole=$((whole + 1))
      # It is the command's no more, and goes on.
      k_exits 0 pause web
      k_exits 0 resume web
      k_exits 0 rm -f web
    else
      undone=$((undone + 1))
    fi
    nothing_left
  done
  echo "undone: $undone, whole: $whole"
  ((undone > 0 && whole > 0))
}

@test "a command in the foreground that is killed leaves its VM running; with --rm the VM goes with it" {
  knaller start web > /dev/null 2>&1 3>&- &
  command=$!
  within 5000 is web running
  kill -KILL "$command"
  wait "$command" || true
  is web running
  k_exits 0 rm -f web
  knaller start --rm web > /dev/null 2>&1 3>&- &
  command=$!
  within 5000 is web running
  look_at web
  kill -KILL "$command"
  wait "$command" || true
  within 1000 gone "${processes[@]}"
  nothing_left
}

@test "a killed pasta is started again, on the same ports" {
  with_network
  k_exits 0 start -d web --no-wait --port 0:80 --port 0:22
  look_at web
  before=$(knaller inspect web --json | jq -c '.ports')
  pasta=$(pgrep --parent "$monitor" "pas[ts][at]")
  kill -KILL "$pasta"
  back() {
    local new
    new=$(pgrep --parent "$monitor" "pas[ts][at]") && [[ $new != "$pasta" ]] &&
      [[ -n $(ss -Hltn "sport = :$(jq '.[0].Host' <<< "$before")") ]]
  }
  within 3000 back
  [[ $(knaller inspect web --json | jq -c '.ports') == "$before" ]]
  is web running
  k_exits 0 rm -f web
  nothing_left
}

@test "a VM whose monitor stands still is stuck for ls, and runs when it goes on" {
  k_exits 0 start -d web
  look_at web
  kill -STOP "$monitor"
  k_exits 0 ls
  [[ $output =~ web\ +stuck ]]
  contains "$output" "does not answer"
  contains "$output" "knaller stop --force web"
  kill -CONT "$monitor"
  is web running
}

@test "a VM whose monitor stands still is left alone by stop and rm, which say how to end it" {
  k_exits 0 start -d web
  look_at web
  kill -STOP "$monitor"
  k_exits 7 stop web --timeout 1h
  contains "$stderr" "knaller stop --force web"
  k_exits 4 rm web
  contains "$stderr" "does not answer"
  contains "$stderr" "knaller rm -f web"
  kill -CONT "$monitor"
  is web running
}

@test "a VM whose monitor stands still is ended by stop --force, and starts again" {
  with_network
  k_exits 0 start -d web --no-wait
  look_at web
  kill -STOP "$monitor"
  k_exits 0 stop --force web
  within 1000 gone "${processes[@]}"
  [[ ! -e $KNALLER_HOME/vms/web/monitor.sock ]]
  k_exits 0 ls -a
  contains "$output" "its monitor did not answer"
  again=(--no-wait)
  ended_as stopped
}

@test "rm -f removes VMs whose monitor or engine stands still, and those beside them" {
  with_network
  for victims in monitor engine "monitor engine"; do
    k_exits 0 start -d web --no-wait
    k_exits 0 start -d other --no-wait
    look_at web
    for victim in $victims; do kill -STOP "${!victim}"; done
    k_exits 0 rm -f web other
    within 1000 gone "${processes[@]}"
    nothing_left
  done
}

@test "ls waits once for all monitors that stand still" {
  local began took name
  for name in a b c d e f; do
    k_exits 0 start -d "$name"
    look_at "$name"
    kill -STOP "$monitor"
  done
  k_exits 0 start -d well
  began=$(date +%s%N)
  k_exits 0 ls
  took=$((($(date +%s%N) - began) / 1000000))
  [[ $(grep -c stuck <<< "$output") -eq 6 ]]
  contains "$output" "well"
  [[ $(grep -c running <<< "$output") -eq 1 ]]
  ((took < 4000)) || { echo "it took $took ms"; return 1; }
  k_exits 0 rm -f a b c d e f well
}

# More than there were threads for at one time, and more than a soft limit of descriptors once had room for.
@test "rm -f waits at once for however many monitors that stand still" {
  local names=() pids name
  for name in vm{1..70}; do names+=("$name"); done
  k_exits 0 start -d "${names[@]}"
  mapfile -t pids < <(knaller ls --json | jq '.vms[].monitor_pid')
  [[ ${#pids[@]} -eq 70 ]]
  kill -STOP "${pids[@]}"
  (ulimit -S -n 256 && exec knaller rm -f "${names[@]}") > /dev/null 2> "$BATS_TEST_TMPDIR/rm" 3>&- &
  local removal=$!
  children+=("$removal")
  within 2500 has_threads "$removal" 70
  wait "$removal" || { cat "$BATS_TEST_TMPDIR/rm"; return 1; }
  nothing_left
}

has_threads() { local threads=("/proc/$1/task"/*); [[ ${#threads[@]} -gt $2 ]]; }

@test "rm -f ends a VM that a command holds which stands still, and removes it when that has ended" {
  k_exits 0 start -d web
  look_at web
  # shellcheck disable=SC2016 # meant for another shell
  knaller snapshot create web --while-paused -- sh -c 'kill -STOP "$PPID"' > /dev/null 2>&1 &
  local creation=$!
  children+=("$creation")
  within 5000 stands_still "$creation"
  knaller rm -f web 2> "$BATS_TEST_TMPDIR/rm" &
  local removal=$!
  within 8000 gone "${processes[@]}"
  kill -CONT "$creation"
  wait "$removal"
  nothing_left
}

stands_still() { [[ $(cut -d " " -f 3 "/proc/$1/stat") == T ]]; }
