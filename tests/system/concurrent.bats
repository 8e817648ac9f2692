# Several commands at once: on one name one wins and the others say who holds it; nobody disturbs anybody; no lock is stale.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() { system_setup; }
teardown() { system_teardown; }

# Runs a command in the background, with its output and exit code in files/N.*
background() {
  jobs_begun=$((${jobs_begun:-0} + 1))
  local to=$BATS_TEST_TMPDIR/files/$jobs_begun
  (
    code=0
    "$@" > "$to.out" 2> "$to.err" || code=$?
    echo "$code" > "$to.code"
  ) 3>&- &
}
codes() { cat "$BATS_TEST_TMPDIR"/files/*.code | sort -n | tr '\n' ' '; }
errors() { cat "$BATS_TEST_TMPDIR"/files/*.err; }
none_crashed() { ! grep -l 'internal\|terminate' "$BATS_TEST_TMPDIR"/files/*.err; }

@test "many starts of one name: one makes the VM, the others have exit code 5" {
  for _ in {1..6}; do background knaller start -d web --mem 128; done
  wait
  errors
  [[ $(codes) == "0 5 5 5 5 5 " ]]
  is web running
  k_exits 0 rm -f web
  nothing_left
}

@test "many starts of one VM that exists: one starts it, the others have exit code 4" {
  k_exits 0 start -d web
  k_exits 0 stop web
  for _ in {1..5}; do background knaller start -d web; done
  wait
  errors
  [[ $(codes) == "0 4 4 4 4 " ]]
  is web running
  no_lock_held
}

@test "many stops: all succeed" {
  k_exits 0 start -d web
  for _ in {1..6}; do background knaller stop web; done
  wait
  errors
  [[ $(codes) == "0 0 0 0 0 0 " ]]
  is web stopped
  no_lock_held
}

@test "many rm -f: all succeed; of many rm one does, and the others find nothing" {
  k_exits 0 start -d web
  for _ in {1..6}; do background knaller rm -f web; done
  wait
  errors
  [[ $(codes) == "0 0 0 0 0 0 " ]]
  nothing_left
  rm "$BATS_TEST_TMPDIR"/files/*.code
  k_exits 0 start -d web
  k_exits 0 stop web
  for _ in {1..6}; do background knaller rm web; done
  wait
  errors
  [[ $(codes) == "0 3 3 3 3 3 " ]]
  nothing_left
}

@test "starts and removals at once end with a whole VM or none" {
  for _ in {1..8}; do
    background knaller start -d web
    background knaller rm -f web
  done
  wait
  errors
  # 3: the stopped or running VM that a start had found was removed before the start had its lock.
  for code in $(codes); do [[ $code -eq 0 || $code -eq 3 || $code -eq 4 || $code -eq 5 ]]; done
  none_crashed
  [[ -z $(state_of web) ]] || is web running
  no_lock_held
  k_exits 0 rm -f web
  nothing_left
}

@test "a command that waits says for whom, and goes on when that one ends" {
  slow=$(engine_with '{"rules": [{"path": "/actions", "nth": 1, "delay_ms": 1500}]}')
  background knaller start -d web --engine "$slow"
  within 3000 is web starting
  k_exits 5 start -d web
  contains "$stderr" "in use by start (pid "
  is web running
  no_lock_held
}

@test "snapshots of one VM and its removal at once: each is whole or refused, and the VM goes in the end" {
  k_exits 0 start -d web --mem 128
  for _ in {1..3}; do background knaller snapshot create web; done
  background knaller rm -f web
  background knaller snapshot create web
  wait
  errors
  none_crashed
  [[ -z $(state_of web) ]]
  for id in $(knaller snapshot ls -q); do
    k_exits 0 start -d clone --from-snapshot "$id"
    k_exits 0 rm -f clone
    k_exits 0 snapshot rm "$id"
  done
  nothing_left
}

@test "a snapshot that is removed while clones start of it: each clone is whole or refused" {
  k_exits 0 start -d web --mem 128
  k_exits 0 snapshot create web
  id=$output
  for i in {1..4}; do background knaller start -d "clone$i" --from-snapshot "$id"; done
  background knaller snapshot rm "$id"
  wait
  errors
  for code in $(codes); do [[ $code -eq 0 || $code -eq 3 ]]; done
  [[ -z $(knaller snapshot ls -q) ]]
  ! knaller ls -a | grep -E 'broken|crashed'
  k_exits 0 rm -f --all
  nothing_left
}

@test "stop, pause and snapshot at once with a stop: nobody hangs, and the VM has stopped" {
  k_exits 0 start -d web --mem 128
  background knaller snapshot create web
  background knaller pause web
  background knaller resume web
  background knaller stop web
  background knaller stop web
  wait
  errors
  none_crashed
  is web stopped
  no_lock_held
  knaller ls > /dev/null
  [[ -z $(find "$KNALLER_HOME/snapshots" -name '.*' -mindepth 1) ]]
}

@test "ls in a loop disturbs nothing" {
  (until [[ -e $BATS_TEST_TMPDIR/files/enough ]]; do knaller ls -a; knaller snapshot ls; done) \
    > "$BATS_TEST_TMPDIR/files/ls" 2>&1 3>&- &
  for _ in {1..4}; do
    k_exits 0 start -d web --mem 128
    k_exits 0 snapshot create web
    k_exits 0 start -d web2 --from-snapshot "$output"
    k_exits 0 snapshot rm "$output" || k_exits 0 snapshot rm "$(knaller snapshot ls -q)"
    k_exits 0 stop web
    k_exits 0 start -d web
    k_exits 0 rm -f web web2
  done
  touch "$BATS_TEST_TMPDIR/files/enough"
  wait
  ! grep -E 'error|broken|crashed|stuck' "$BATS_TEST_TMPDIR/files/ls"
  nothing_left
}

@test "a lock whose holder was killed is free" {
  slow=$(engine_with '{"rules": [{"path": "/actions", "hang": "before"}]}')
  knaller start -d web --engine "$slow" > /dev/null 2>&1 3>&- &
  command=$!
  within 3000 is web starting
  kill -KILL "$command"
  wait "$command" || true
  k_exits 0 start -d web
  is web running
}
