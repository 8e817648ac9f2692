# stats, wait and events, on the fake engine.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() { system_setup; }
teardown() { system_teardown; }

# Runs a command in the background, with its output in $log, and is a child of the test's. Shells let such commands ignore SIGINT.
in_background() {
  log=$BATS_TEST_TMPDIR/log.$RANDOM
  env --default-signal=INT "$@" > "$log" 2> "$log.err" 3>&- &
  job=$!
  children+=("$job")
}
job_exits() {
  local code=0
  wait "$job" || code=$?
  [[ $code -eq $1 ]] || { echo "exit code $code instead of $1"; cat "$log" "$log.err"; return 1; }
}
# The same with a `wait` for the VM $1, which has begun when this returns: the VM's records are read once its directory is
# watched. (Nobody may look into its /proc, since it is not dumpable.)
waits_for() {
  local vm=$1 reader line
  shift
  exec {reader}< <("$KNALLER_SOURCE/tests/lib/until-read" "$KNALLER_HOME/vms/$vm/events.jsonl" 3>&-)
  read -r line <&"$reader"
  [[ $line == watching ]]
  in_background knaller wait "$@" "$vm"
  read -r line <&"$reader"
  [[ $line == read ]]
  exec {reader}<&-
}
log_has() { grep -q -- "$1" "$log"; }
kinds_of() { knaller events --json "$@" | jq -r '.events[].kind' | tr '\n' ' '; }
monitor_of() { knaller inspect "$1" --json | jq .monitor_pid; }
engine_of() { knaller inspect "$1" --json | jq .engine_pid; }
# A VM whose guest counts in its memory and on its disk, and so uses both.
busy() { engine_with '{"guest": {"tick_ms": 1}}'; }

@test "stats shows what a running VM uses, and leaves out what does not run" {
  k_exits 0 start -d web --mem 256
  k_exits 0 start -d other
  k_exits 0 stop other
  k_exits 0 stats
  contains "$output" web
  contains "$output" "256 MiB"
  lacks "$output" other
  k_exits 0 stats --json
  jq -e '.schema == 1 and (.vms | length) == 1' <<< "$output"
  jq -e '.vms[0] | .name == "web" and .running and .memory_mib == 256 and .reboots == 0 and .missing == []
    and .engine.processes == 1 and .engine.private_bytes > 0 and .engine.pss_bytes == null
    and .engine.cpu_percent >= 0 and .interval_us > 150000 and .uptime_us > 0
    and .helpers.processes >= 1 and .helpers.private_bytes > 0
    and .network == null and .disk.read_bytes >= 0 and .disk.reads == null and .last_snapshot == null
    and .disk.read_bytes_per_second >= 0 and .disk.written_bytes_per_second >= 0
    and .disk.reads_per_second == null and .disk.writes_per_second == null' <<< "$output"
  k_exits 0 stats --format '{{.DiskWritten}};{{.DiskWrittenRate}}'
  [[ $output =~ ^[0-9.]+\ [KMG]?i?B\;[0-9.]+\ [KMG]?i?B/s$ ]]
  k_exits 0 stats --json --pss
  jq -e '.vms[0].engine.pss_bytes > 0 and .vms[0].helpers.pss_bytes > 0' <<< "$output"
  k_exits 0 stats --format '{{.Name}} {{.Guest}}' web
  [[ $output == "web 256 MiB" ]]
}

@test "stats of a name: unknown, stopped, and one that ends between two samples" {
  k_exits 3 stats wbe
  k_exits 0 start -d web
  k_exits 3 stats wbe
  contains "$stderr" "did you mean 'web'"
  in_background knaller stats --stream --interval 100ms --json web
  within 5000 log_has '"running":true'
  k_exits 0 stop web
  within 5000 log_has '"running":false'
  k_exits 0 start -d web
  k_exits 0 rm -f web
  kill -INT "$job"
  job_exits 130
  [[ ! -s $log.err ]]
  jq -s -e 'map(select(.running | not)) | length > 0 and all(.engine == null and .missing == [])' "$log"
}

@test "stats tells of the processor, the disk and the last snapshot" {
  k_exits 0 start -d web --mem 128 --engine "$(busy)"
  k_exits 0 snapshot create web
  k_exits 0 stats --json
  jq -e '.vms[0] | .engine.cpu_us > 0 and .engine.cpu_percent > 0
    and .last_snapshot.pause_us > 0 and .last_snapshot.duration_us >= .last_snapshot.pause_us' <<< "$output"
}

@test "stats counts what goes through the network, as the guest sees it" {
  with_network
  k_exits 0 start -d --no-wait web
  k_exits 0 stats --json
  jq -e '.vms[0] | .network.received_bytes >= 0 and .network.sent_packets >= 0 and .helpers.processes >= 2
    and .network.received_bytes_per_second >= 0 and .network.sent_bytes_per_second >= 0' <<< "$output"
  k_exits 0 stats
  [[ $output == *"NET IN"* && $output == *"B/s"* ]]
}

@test "stats of a monitor that hangs says so, and of the others what there is" {
  k_exits 0 start -d web
  k_exits 0 start -d other
  monitor=$(monitor_of web)
  kill -STOP "$monitor"
  k_exits 0 stats --json
  kill -CONT "$monitor"
  jq -e '.vms[] | select(.name == "web") | .running and .engine == null and (.missing | length) == 1' <<< "$output"
  jq -e '.vms[] | select(.name == "other") | .engine.processes == 1' <<< "$output"
}

@test "a stream refuses intervals that are none" {
  k_exits 2 stats --interval 1s
  k_exits 2 stats --stream --interval 10ms
  k_exits 2 stats --stream --interval soon
  k_exits 2 stats --format '{{.Nothing}}'
}

@test "wait returns when all have ended, and prints how" {
  k_exits 0 start -d a
  k_exits 0 start -d b
  k_exits 0 start -d c
  k_exits 0 stop c
  in_background knaller wait a b c
  within 5000 log_has 'c: stopped'
  k_exits 0 stop a
  within 5000 log_has 'a: stopped: '
  kill -0 "$job"
  k_exits 0 stop b
  job_exits 0
  [[ $(wc -l < "$log") -eq 3 ]]
}

@test "wait of a VM that crashes is exit code 12, also when its monitor is killed" {
  k_exits 0 start -d a
  waits_for a
  kill -KILL "$(engine_of a)"
  job_exits 12
  log_has 'a: crashed: '
  k_exits 0 start -d b
  waits_for b --json
  kill -KILL "$(monitor_of b)"
  job_exits 12
  jq -e '.results[0].result.state == "crashed"' "$log"
}

@test "wait: unknown names, a time limit, Ctrl-C, and no name at all" {
  k_exits 2 wait
  k_exits 2 wait --for nothing web
  k_exits 3 wait web
  k_exits 0 start -d web
  k_exits 7 wait --timeout 100ms web
  contains "$stderr" "VM 'web'"
  k_exits 3 wait --timeout 0 nobody web
  waits_for web
  kill -INT "$job"
  job_exits 130
}

@test "wait --any returns with the first" {
  k_exits 0 start -d a
  k_exits 0 start -d b
  in_background knaller wait --any a b nobody
  within 5000 grep -q nobody "$log.err"
  k_exits 0 stop b
  job_exits 0
  [[ $(< "$log") == "b: stopped"* ]]
  is a running
  k_exits 3 wait --any nobody
}

@test "wait of one that is removed: its end is told, and who waits for it to run is told that it is gone" {
  k_exits 0 start -d a
  waits_for a
  k_exits 0 rm -f a
  job_exits 0
  log_has 'a: stopped: '
  k_exits 0 start -d a
  k_exits 0 stop a
  waits_for a --for running
  k_exits 0 rm a
  job_exits 3
  nothing_left
}

@test "wait --for running sees a start, a resume, and one that is being made" {
  k_exits 0 start -d a
  k_exits 0 wait --for running a
  [[ $output == "a: running" ]]
  k_exits 0 pause a
  waits_for a --for running
  kill -0 "$job"
  k_exits 0 resume a
  job_exits 0
  k_exits 0 stop a
  waits_for a --for running
  k_exits 0 start -d a
  job_exits 0
  slow=$(engine_with '{"rules": [{"path": "/actions", "nth": 1, "delay_ms": 500}]}')
  in_background knaller start -d b --engine "$slow"
  within 3000 is b starting
  k_exits 0 wait --for running b
}

@test "wait --for ready takes the guest's word where there is no network" {
  make_image_ours
  late=$(engine_with '{"guest": {"ready_ms": 700}}')
  k_exits 0 start -d --no-wait a --engine "$late"
  k_exits 7 wait --for ready --timeout 50ms a
  k_exits 0 wait --for ready --timeout 10s a
  k_exits 0 wait --for ready --timeout 0 a
  contains "$(kinds_of a)" "ready"
}

@test "wait --for ready of a guest that can't be asked is not supported" {
  k_exits 0 start -d a --engine "$(engine_with '{"guest": {"ready": "login:\n"}}')"
  k_exits 6 wait --for ready a
}

@test "events are in the order of time, of all VMs or some, since when one likes" {
  k_exits 0 start -d a
  k_exits 0 start -d b
  k_exits 0 pause a
  k_exits 0 resume a
  k_exits 0 stop b
  since=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
  kill -KILL "$(engine_of a)"
  within 3000 is a crashed
  [[ $(kinds_of a) == *"started "*"paused resumed crashed " ]]
  [[ $(kinds_of b) == *"started "*"stopped " ]]
  [[ $(kinds_of --since "$since") == "crashed " ]]
  [[ $(kinds_of --since 0) == "" ]]
  k_exits 0 events --json
  jq -e '[.events[].at] == ([.events[].at] | sort)' <<< "$output"
  jq -e '[.events[].vm] | unique == ["a", "b"]' <<< "$output"
  k_exits 0 events a
  contains "$output" "Z  a  crashed  "
  k_exits 3 events nobody
  k_exits 2 events --since tomorrow
}

@test "events --follow sees VMs come, reboot, be rolled back and go" {
  k_exits 0 start -d z
  k_exits 0 stop z
  in_background knaller events --follow --json
  # The past is told when what comes is watched already.
  within 5000 grep -q '"vm":"z"' "$log"
  k_exits 0 start -d a --mem 128
  within 5000 log_has '"kind":"created"'
  k_exits 0 snapshot create a
  k_exits 0 rollback a
  within 5000 log_has '"kind":"replaced"'
  k_exits 0 stop a
  within 5000 log_has '"kind":"stopped"'
  k_exits 0 start -d a
  k_exits 0 rm -f a
  within 5000 log_has '"kind":"removed"'
  k_exits 0 start -d b
  within 5000 grep -q '"vm":"b"' "$log"
  kill -INT "$job"
  job_exits 130
  [[ ! -s $log.err ]]
  jq -e '.schema == 1 and .at != null' "$log" > "$BATS_TEST_TMPDIR/all"
  # Nothing comes twice.
  [[ $(sort "$log" | uniq -d) == "" ]]
  [[ $(jq -r 'select(.vm == "a") | .kind' "$log" | sort | uniq -c | awk '$2 == "removed" {print $1}') == 1 ]]
}

@test "events --follow NAME waits for one that is not there yet, and tells of no other" {
  in_background knaller events -f b
  k_exits 0 start -d a
  k_exits 0 start -d b
  within 5000 log_has '  b  started'
  kill -INT "$job"
  job_exits 130
  ! log_has '  a  '
}

@test "records of older monitors, damaged ones, and what a terminal would obey" {
  k_exits 0 start -d a
  k_exits 0 stop a
  printf '%s\n' '{"at":"2026-01-01T00:00:00Z","event":"started"}' \
    '{"at":"2026-01-01T00:00:01Z","event":"crashed: \u001b[2J gone"}' 'not a record' \
    '{"at":"2026-01-01T00:00:02Z","event":"x","kind":"levitated"}' > "$KNALLER_HOME/vms/a/events.jsonl.1"
  k_exits 0 events a
  [[ ${lines[0]} == "2026-01-01T00:00:00.000Z  a  started" ]]
  [[ ${lines[1]} == '2026-01-01T00:00:01.000Z  a  crashed  \x1b[2J gone' ]]
  [[ ${lines[2]} == "2026-01-01T00:00:02.000Z  a  other  x" ]]
  contains "$stderr" "can't be read"
}
