# Snapshots that go wrong: an error with its reason, the VM runs on, nothing is left, and the next snapshot works.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() { system_setup; }
teardown() { system_teardown; }

# No snapshot but these, nothing half-made, nothing of the engine's in the VM's directory, and no lock.
only_snapshots() {
  knaller ls > /dev/null
  local wanted
  wanted=$(printf '%s\n' "$@" | sort)
  [[ $(ls -A "$KNALLER_HOME/snapshots") == "$wanted" ]] || { ls -lA "$KNALLER_HOME/snapshots"; return 1; }
  [[ -z $(find "$KNALLER_HOME"/vms/*/jail -name 'new-*') ]] || { ls -l "$KNALLER_HOME"/vms/*/jail; return 1; }
  no_lock_held
}

# `web` runs, started with these options, too, on an engine that does this at the first snapshot, and nothing at others.
start_with_rule() {
  k_exits 0 start -d web --mem 128 --engine "$(engine_with "{\"rules\": [{\"path\": \"/snapshot/create\", \"nth\": 1, $1}]}")" "${@:2}"
}

# Runs the rest of the line once for each way in which memory is taken, with nothing left in between.
each_way() {
  for KNALLER_CAPTURE in outside engine; do
    export KNALLER_CAPTURE
    echo "capture: $KNALLER_CAPTURE"
    "$@"
    k_exits 0 rm -f web web2
    for id in $(knaller snapshot ls -q); do k_exits 0 snapshot rm "$id"; done
    nothing_left
  done
}

# What was done while the guest stood still.
steps_of_pause() { jq -r '[.timings[].phase | select(startswith("pause: ")) | .[7:]] | join("; ")' <<< "$1"; }

# For as long as it runs: who connects to its port has the host ask for the guest.
send_frames_to() {
  local port
  port=$(knaller inspect "$1" | jq ".ports[0].Host")
  while knaller ls -q | grep -qx "$1"; do timeout 1 bash -c ": < /dev/tcp/127.0.0.1/$port"; done &> /dev/null 3>&- &
  children+=($!)
}

next_snapshot_works() {
  is web running
  k_exits 0 snapshot create web
  only_snapshots "$output"
  k_exits 0 start -d web2 --from-snapshot "$output"
}

@test "an engine that refuses the snapshot: its own words, exit code 12" { each_way refused_by_engine; }
refused_by_engine() {
  start_with_rule '"status": 400, "body": "{\"fault_message\":\"no space for it\"}"'
  k_exits 12 snapshot create web
  contains "$stderr" "no space for it"
  only_snapshots
  next_snapshot_works
}

@test "an engine that dies during the snapshot: exit code 12, and the VM has crashed" { each_way engine_dies; }
engine_dies() {
  for when in before unanswered; do
    start_with_rule "\"die\": \"$when\""
    look_at web
    k_exits 12 snapshot create web
    within 1000 gone "${processes[@]}"
    is web crashed
    only_snapshots
    k_exits 0 start -d web
    is web running
    k_exits 0 rm -f web
  done
  nothing_left
}

@test "an engine that answers late: exit code 7 at --max-pause, and the VM runs within a second of the answer" {
  each_way engine_is_late
}
engine_is_late() {
  start_with_rule '"delay_ms": 1000'
  began=$(now_ms)
  k_exits 7 snapshot create web --max-pause 200ms
  contains "$stderr" "--max-pause"
  within $((began + 2200 - $(now_ms))) is web running
  only_snapshots
  next_snapshot_works
}

@test "an engine that answers nonsense, half, or nothing: an error, and the VM runs" { each_way engine_raves; }
engine_raves() {
  for fault in '"garbage": "SSH-2.0-nonsense\r\n"' '"truncate": 10'; do
    start_with_rule "$fault"
    k snapshot create web
    [[ $status -eq 12 || $status -eq 1 ]]
    [[ -n $stderr && -z $output ]]
    only_snapshots
    next_snapshot_works
    k_exits 0 rm -f web web2
    k_exits 0 snapshot rm "$(knaller snapshot ls -q)"
  done
  start_with_rule '"write_short": 10'
  k_exits 7 snapshot create web --max-pause 300ms
  only_snapshots
  next_snapshot_works
}

@test "an engine that answers twice: its first answer counts" { each_way engine_answers_twice; }
engine_answers_twice() {
  start_with_rule '"twice": true'
  k_exits 0 snapshot create web
  id=$output
  k_exits 0 snapshot verify "$id"
  k_exits 0 snapshot rm "$id"
  next_snapshot_works
}

@test "an engine that does not resume the VM: the error says that first, and what to do" {
  engine=$(engine_with '{"rules": [{"method": "PATCH", "path": "/vm", "nth": 2, "status": 500, "body": "{\"fault_message\":\"no\"}"}]}')
  k_exits 0 start -d web --mem 128 --engine "$engine"
  k_exits 12 snapshot create web
  contains "$stderr" "the VM could not be resumed"
  contains "$stderr" "knaller resume web"
  only_snapshots
  k_exits 0 resume web
  is web running
  next_snapshot_works
  k_exits 0 rm -f web

  # When something else failed before.
  engine=$(engine_with '{"rules": [{"path": "/snapshot/create", "nth": 1, "status": 500, "body": "{\"fault_message\":\"full\"}"}, {"method": "PATCH", "path": "/vm", "nth": 2, "status": 500, "body": "{\"fault_message\":\"no\"}"}]}')
  k_exits 0 start -d other --mem 128 --engine "$engine"
  k_exits 12 snapshot create other
  [[ $stderr == *"the VM could not be resumed"*full* ]]
}

# Its own snapshot request keeps it from hearing that the VM is to go on; whether it ever does is not ours to say.
@test "an engine that never answers: exit code 7, and the VM is stuck, with what to do, until its user ends it" {
  start_with_rule '"hang": "before"'
  look_at web
  k_exits 7 snapshot create web --max-pause 200ms
  contains "$stderr" "the VM could not be resumed"
  only_snapshots
  is web stuck
  k_exits 0 ls
  contains "$output" "stuck"
  k_exits 4 snapshot create web
  contains "$stderr" "knaller stop --force web"
  kill -0 "${processes[@]}"
  k_exits 0 stop --force web
  within 1000 gone "${processes[@]}"
  k_exits 0 start -d web
  is web running
}

# The monitor can't reach it any more, so the VM may stay as it is, but it hurts nobody and is removed.
@test "an engine that swaps its socket: nothing hangs, nothing is read, and the VM can be removed" {
  for other in fifo link directory absent; do
    start_with_rule "\"swap\": \"api.sock\", \"swap_for\": \"$other\""
    k snapshot create web --max-pause 2s
    echo "$other: $status $stderr $(state_of web)"
    [[ $status -ne 0 && -z $output ]]
    is web stuck
    lacks "$stderr" "root:"
    k_exits 0 ls -a
    k_exits 0 rm -f web
    for id in $(knaller snapshot ls -q); do k_exits 0 snapshot rm "$id"; done
    nothing_left
  done
}

@test "an engine that fills the disk: the snapshot fails, the VM runs, and when there is room the next one works" {
  for way in outside engine; do
    rm -rf "$BATS_TEST_TMPDIR/small"
    engine=$(engine_with '{"rules": [{"path": "/snapshot/create", "nth": 1, "fill": "filler"}]}')
    KNALLER_CAPTURE=$way KNALLER_ENGINE=$engine on_small_disk '
      knaller start -d web --mem 128
      code=0
      knaller snapshot create web || code=$?
      [[ $code -eq 10 || $code -eq 12 ]] || { echo "snapshot create: $code"; exit 1; }
      [[ -z $(ls -A "$1/snapshots") ]]
      [[ $(knaller ls --format "{{.Status}}") == running ]]
      rm "$1/vms/web/jail/filler"
      knaller snapshot verify "$(knaller snapshot create web)"
      knaller rm -f web'
  done
}

@test "an engine that swaps what it wrote for links, fifos, folders, less or nothing: refused, nothing read" {
  for file in new-state new-memory; do
    KNALLER_CAPTURE=outside
    [[ $file == new-state ]] || KNALLER_CAPTURE=engine
    export KNALLER_CAPTURE
    for other in fifo link directory short absent; do
      # A state of one page is a state.
      [[ $file$other != new-stateshort ]] || continue
      start_with_rule "\"swap\": \"$file\", \"swap_for\": \"$other\""
      k snapshot create web --max-pause 10s
      echo "$file $other: $status $stderr"
      [[ $status -eq 11 || $status -eq 12 || $status -eq 1 ]]
      lacks "$stderr" "root:"
      only_snapshots
      is web running
      k_exits 0 rm -f web
    done
  done
}

# Before the first pause its own disk is opened, which stays the VM's whatever is put in its place.
@test "an engine that swaps its disk for a link or a fifo: the next snapshot is refused, nothing hangs" {
  for other in fifo link directory absent; do
    start_with_rule "\"swap\": \"rootfs.ext4\", \"swap_for\": \"$other\""
    k_exits 0 snapshot create web --max-pause 10s
    k_exits 0 start -d web2 --from-snapshot "$output"
    k_exits 0 rm -f web2
    k_exits 0 snapshot rm "$(knaller snapshot ls -q)"
    k snapshot create web --max-pause 10s
    echo "$other: $status $stderr"
    [[ $status -eq 11 || $status -eq 12 || $status -eq 1 ]]
    only_snapshots
    is web running
    k_exits 0 rm -f web
  done
  [[ $(stat -c %s /etc/passwd) -gt 0 ]]
}

@test "a creator that is killed or interrupted leaves the VM running within a second of the answer, and nothing else" {
  for signal in KILL INT TERM; do
    start_with_rule '"delay_ms": 300'
    env --default-signal=INT knaller snapshot create web > /dev/null 2>&1 3>&- &
    command=$!
    within 3000 is web paused
    kill "-$signal" "$command"
    code=0
    wait "$command" || code=$?
    [[ $code -eq $((128 + $(kill -l "$signal"))) ]]
    within 1300 is web running
    only_snapshots
    next_snapshot_works
    k_exits 0 rm -f web web2
    k_exits 0 snapshot rm "$(knaller snapshot ls -q)"
  done
}

@test "a creator that is killed at any moment leaves all or nothing" { each_way creator_is_killed; }
creator_is_killed() {
  k_exits 0 start -d web --mem 128
  RANDOM=4
  for _ in {1..25}; do
    knaller snapshot create web > /dev/null 2>&1 3>&- &
    command=$!
    sleep "0.$(printf %03d $((RANDOM % 120)))"
    kill -KILL "$command" 2> /dev/null || true
    wait "$command" 2> /dev/null || true
    within 1000 is web running
    mapfile -t left < <(knaller snapshot ls -q)
    only_snapshots "${left[@]}"
    for id in "${left[@]}"; do
      k_exits 0 start -d web2 --from-snapshot "$id"
      k_exits 0 rm -f web2
      k_exits 0 snapshot rm "$id"
    done
  done
}

@test "a paused VM is paused after its snapshot, after one that failed, and after one whose creator was killed" {
  k_exits 0 start -d web --mem 128 --engine "$(engine_with '{"rules": [
    {"path": "/snapshot/create", "nth": 2, "status": 400, "body": "{\"fault_message\":\"no\"}"},
    {"path": "/snapshot/create", "nth": 2, "delay_ms": 300}]}')"
  k_exits 0 pause web
  k_exits 0 snapshot create web
  first=$output
  is web paused
  k_exits 12 snapshot create web
  is web paused
  knaller snapshot create web > /dev/null 2>&1 3>&- &
  command=$!
  staged() { [[ -n $(find "$KNALLER_HOME/snapshots" -name '.new-*') ]]; }
  within 3000 staged
  kill -KILL "$command"
  wait "$command" || true
  is web paused
  k_exits 0 resume web
  is web running
}

@test "--timings says how the memory was taken" {
  k_exits 0 start -d web --mem 128
  k_exits 0 snapshot create web --timings --capture outside
  contains "$stderr" "pause: state"
  contains "$stderr" "pause: memory, from outside"
  k_exits 0 snapshot create web --timings --capture engine --json
  [[ $(jq -r '.timings[].phase' <<< "$output") == *"pause: state and memory, by the engine"* ]]
}

@test "--while-paused: the command runs in the pause, its files become part of the snapshot, its failure fails it" {
  k_exits 0 start -d web --mem 128
  KNALLER_SNAPSHOT_DIR=/nowhere k_exits 0 snapshot create web --while-paused -- sh -c '
    knaller ls --format "{{.Status}}" > "$KNALLER_SNAPSHOT_DIR/notes"'
  id=$output
  contains "$stderr" "the VM stood still for"
  [[ $(< "$KNALLER_HOME/snapshots/$id/notes") == paused ]]
  [[ $(knaller snapshot inspect "$id" | jq '.paused_at < .resumed_at') == true ]]
  k_exits 0 snapshot verify "$id"
  k_exits 0 snapshot rm "$id"

  k_exits 1 snapshot create web --while-paused -- sh -c 'exit 3'
  contains "$stderr" "exit code 3"
  k_exits 7 snapshot create web --max-pause 300ms --while-paused -- sh -c '
    sleep 60 & echo $! > '"$BATS_TEST_TMPDIR"'/sleeper; wait'
  within 1000 gone "$(< "$BATS_TEST_TMPDIR/sleeper")"
  k_exits 3 snapshot create web --while-paused -- /no/such/program
  k_exits 2 snapshot create web --while-paused
  k_exits 2 snapshot create web -- true
  k_exits 2 snapshot create web --while-paused -- sh -c 'echo > "$KNALLER_SNAPSHOT_DIR/manifest"'
  k_exits 11 snapshot create web --while-paused -- sh -c 'ln -s /etc/passwd "$KNALLER_SNAPSHOT_DIR/link"'
  is web running
  only_snapshots
}

@test "two snapshots of one VM at once: the second waits, saying on what, or is busy with --no-wait" {
  k_exits 0 start -d web --mem 128
  mkfifo "$BATS_TEST_TMPDIR/gate"
  knaller snapshot create web --max-pause 60s --while-paused -- cat "$BATS_TEST_TMPDIR/gate" 3>&- > /dev/null 2>&1 &
  children+=($!)
  within 5000 is web paused
  k_exits 8 snapshot create web --no-wait
  contains "$stderr" "snapshot create"
  knaller snapshot create web 3>&- > "$BATS_TEST_TMPDIR/second" 2> "$BATS_TEST_TMPDIR/waits" &
  second=$!
  children+=("$second")
  within 5000 grep -q "waiting for VM 'web'" "$BATS_TEST_TMPDIR/waits"
  : > "$BATS_TEST_TMPDIR/gate"
  wait "$second"
  is web running
  [[ $(knaller snapshot ls -q | wc -l) == 2 ]]
}

@test "an engine is tried once on a scratch VM of which nothing is left, and the result is remembered" {
  unset KNALLER_CAPTURE
  k_exits 0 start -d web --mem 128
  k doctor
  contains "$output" "not tried yet"
  k_exits 0 snapshot create web
  contains "$stderr" "trying, once"
  knaller snapshot inspect "$output" | jq '[.capture, .capture_reason]'
  [[ $(knaller snapshot inspect "$output" | jq -r .capture) == outside ]]
  [[ $(knaller ls -aq) == web ]]
  [[ $(jq '.checks | length' "$KNALLER_HOME/cache/capture.json") == 1 ]]
  k doctor
  contains "$output" "memory is read from outside"
  k_exits 0 snapshot create web
  lacks "$stderr" "trying, once"
  # Whatever is in the file, it is only a cache.
  for content in '' '{' '[]' '{"format":1,"checks":7}' '{"format":2}'; do
    echo "$content" > "$KNALLER_HOME/cache/capture.json"
    k_exits 0 snapshot create web
  done
}

@test "a command that is killed while it tries an engine leaves no scratch VM" {
  unset KNALLER_CAPTURE
  k_exits 0 start -d web --mem 128
  RANDOM=5
  for _ in {1..6}; do
    rm -f "$KNALLER_HOME/cache/capture.json"
    knaller snapshot create web > /dev/null 2>&1 3>&- &
    command=$!
    sleep "0.$(printf %03d $((RANDOM % 200)))"
    kill -KILL "$command" 2> /dev/null || true
    wait "$command" 2> /dev/null || true
    only_web() { [[ $(knaller ls -aq) == web && -z $(find "$KNALLER_HOME/vms" -name '*selftest*') ]]; }
    within 5000 only_web
  done
  is web running
}

@test "a clone that was booted again has its own memory in its snapshots, not its parent's" {
  k_exits 0 start -d web --mem 128
  k_exits 0 snapshot create web
  k_exits 0 start -d clone --from-snapshot "$output"
  [ -e "$KNALLER_HOME/vms/clone/parts/memory" ]
  k_exits 0 restart clone
  [[ -z $(find "$KNALLER_HOME/vms/clone" -name '*memory' -o -name '*state') ]]
  k_exits 0 store check
  k_exits 0 snapshot create clone --capture outside
  outside=$output
  k_exits 0 pause clone
  for way in outside engine; do
    k_exits 0 snapshot create clone --capture "$way" --name "$way"
  done
  cmp "$KNALLER_HOME"/snapshots/{"$(knaller snapshot inspect outside | jq -r .id)","$(knaller snapshot inspect engine | jq -r .id)"}/memory
  k_exits 0 start -d again --from-snapshot "$outside"
  is again running
}

@test "--no-disk leaves the disk out, and says so" {
  k_exits 0 start -d web --mem 128
  k_exits 0 snapshot create web --no-disk
  [[ ! -e $KNALLER_HOME/snapshots/$output/rootfs.ext4 ]]
  [[ $(knaller snapshot inspect "$output" | jq .has_disk) == false ]]
}

# damage FILE COMMAND...: changes one file of the snapshot $id, and expects it to be refused as corrupt by start.
damaged() {
  local file=$KNALLER_HOME/snapshots/$id/$1 copy
  shift
  copy=$BATS_TEST_TMPDIR/files/whole
  rm -f "$copy"
  cp --sparse=always "$file" "$copy"
  chmod u+w "$file"
  "$@" "$file"
  k start -d web2 --from-snapshot "$id"
  [[ $status -eq 11 ]] || { echo "$file after $*: $status $stderr"; return 1; }
  contains "$stderr" "error:"
  [[ -z $(state_of web2) ]]
  k snapshot ls
  [[ $status -eq 0 ]]
  contains "$output" "$id"
  rm -rf "$file"
  cp --sparse=always "$copy" "$file"
}

flip_bit() {
  python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(0, 2); at = f.tell() // 2; f.seek(at); byte = f.read(1)[0]; f.seek(at); f.write(bytes([byte ^ 1]))' "$1"
}
become_fifo() { rm -f "$1"; mkfifo "$1"; }
become_link() { rm -f "$1"; ln -s /etc/passwd "$1"; }
become_empty() { : > "$1"; }
other_id() { sed -i "s/$id/snap_00000000/" "$1"; }
not_json() { echo '{"id":' > "$1"; }
array() { echo '[]' > "$1"; }
huge_memory() { sed -i 's/"mem_size_mib": *[0-9]*/"mem_size_mib": 99999999999/' "$1"; }
binary() { head -c 300 /dev/urandom > "$1"; }
up_and_away() { sed -i "s/\"image\": *\"[^\"]*\"/\"image\": 7/" "$1"; }

@test "damaged snapshots are exit code 11, whatever the damage, and change nothing" {
  k_exits 0 start -d web --mem 128
  k_exits 0 snapshot create web
  id=$output
  for file in state metadata.json manifest memory rootfs.ext4 vmlinux; do
    for how in 'truncate -s -1' 'rm -f' become_fifo become_link become_empty; do
      read -ra words <<< "$how"
      damaged "$file" "${words[@]}"
    done
  done
  damaged state flip_bit
  damaged metadata.json flip_bit
  damaged manifest flip_bit
  for how in other_id not_json array huge_memory binary up_and_away; do damaged metadata.json "$how"; done
  for how in not_json binary; do damaged manifest "$how"; done
  damaged memory truncate -s +4096
  k_exits 0 start -d web2 --from-snapshot "$id"
  is web running
}

# Work that the engine had begun for its guest, done when the state of the devices was saved already: what was read of the memory and
# the disk is of another instant. The second time there is none.
@test "an engine that takes a frame or writes the disk late: state, memory and disk are taken anew" {
  for work in late_frame late_write; do
    start_with_rule "\"$work\": true" --network rootless --port 0:22 --no-wait
    send_frames_to web
    k_exits 0 snapshot create web --json --timings
    echo "$work: $output"
    [[ $(jq -r .snapshot.capture <<< "$output") == outside ]]
    [[ $(steps_of_pause "$output") == "state; memory, from outside; disk; state; memory, from outside; disk" ]]
    id=$(jq -r .snapshot.id <<< "$output")
    k_exits 0 snapshot verify "$id"
    only_snapshots "$id"
    is web running
    k_exits 0 snapshot rm "$id"
    k_exits 0 rm -f web
  done
}

@test "an engine that always takes frames late: it writes the memory itself, unless --capture outside was asked for" {
  engine=$(engine_with '{"rules": [{"path": "/snapshot/create", "late_frame": true}]}')
  k_exits 0 start -d web --mem 128 --network rootless --port 0:22 --no-wait --engine "$engine"
  send_frames_to web
  k_exits 6 snapshot create web --capture outside
  contains "$stderr" "the engine took frames for its paused guest each time"
  contains "$stderr" "--capture engine"
  only_snapshots
  is web running
  k_exits 0 snapshot create web --capture auto --json
  [[ $(jq -r .snapshot.capture <<< "$output") == engine ]]
  [[ $(jq -r .snapshot.capture_reason <<< "$output") == "the engine took frames for its paused guest each time" ]]
}

@test "an engine that always writes the disk late: no snapshot, whoever writes the memory" {
  engine=$(engine_with '{"rules": [{"path": "/snapshot/create", "late_write": true}]}')
  k_exits 0 start -d web --mem 128 --engine "$engine"
  k_exits 8 snapshot create web --capture engine
  contains "$stderr" "the engine wrote to the disk of its paused guest each time"
  only_snapshots
  is web running
}

@test "a VM that does not run: its disk alone, which is verified, exported, imported, compared and booted" {
  k_exits 0 start -d web --mem 128 --engine "$(engine_with '{"guest": {"tick_ms": 2}}')"
  before=$(knaller snapshot create web)
  k_exits 0 stop web
  for options in --no-disk "--while-paused -- true"; do
    # shellcheck disable=SC2086 # several words
    k_exits 4 snapshot create web $options
    contains "$stderr" "knaller start web"
  done
  k_exits 0 snapshot create web
  id=$output
  contains "$stderr" "VM 'web' is not running: the snapshot has only its disk"
  only_snapshots "$before" "$id"
  [[ $(knaller snapshot inspect "$id" | jq -c '[.has_memory, .has_disk, .capture]') == '[false,true,null]' ]]
  cmp "$KNALLER_HOME/snapshots/$id/rootfs.ext4" "$KNALLER_HOME/vms/web/jail/rootfs.ext4"
  k_exits 0 snapshot verify "$id"
  k_exits 0 snapshot diff "$before" "$id"
  contains "$output" "memory and devices: not compared, $id has none"
  k_exits 0 snapshot export "$id" "$BATS_TEST_TMPDIR/export"
  k_exits 0 snapshot rm "$id"
  k_exits 0 snapshot import "$BATS_TEST_TMPDIR/export"
  k_exits 0 start --check --from-snapshot "$id"
  lacks "$output" "state version"
  k_exits 0 start -d web2 --from-snapshot "$id"
  is web2 running
  [[ ! -e $KNALLER_HOME/vms/web2/parts/memory ]]
  k_exits 0 rollback web "$id" --no-safety --force
  is web running
}

@test "resume tells of a clock that nobody can set, after a pause of note" {
  k_exits 0 start -d web
  k_exits 0 pause web
  k_exits 0 resume web
  lacks "$stderr" clock
  k_exits 0 pause web
  sleep 1.2
  k_exits 0 resume web
  contains "$stderr" "'web' runs, but its clock is behind by the pause: the guest has no agent of knaller's"
}
