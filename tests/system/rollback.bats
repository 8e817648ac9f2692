# `rollback`: a VM is put back in its place, or goes on as it was.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() {
  system_setup
  k_exits 0 start -d web --mem 64
  k_exits 0 snapshot create web
  id=$output
  uuid=$(of_web uuid)
  mark web newer
}
teardown() { system_teardown; }

of_web() { knaller inspect web | jq -r "if type == \"array\" then .[0] else . end | .$1"; }
# A word at the end of a disk, where no file system has anything.
mark() { printf '%s' "$2" | dd of="$KNALLER_HOME/vms/$1/jail/rootfs.ext4" bs=1 seek=$((8 * 1048576 - 5)) conv=notrunc status=none; }
word_of() { tail -c 5 "$1/rootfs.ext4" | tr -d '\0'; }
word_of_web() { word_of "$KNALLER_HOME/vms/web/jail"; }
only_web_is_there() {
  [[ $(ls -A "$KNALLER_HOME/vms") == web ]] || { ls -lA "$KNALLER_HOME/vms"; return 1; }
  no_lock_held
  k_exits 0 store check
}

@test "a VM is put back in its place, and the safety snapshot has what it was" {
  local before safety
  before=$(of_web monitor_pid)
  k_exits 0 rollback web "$id"
  safety=$output
  is web running
  [[ $(of_web uuid) == "$uuid" && $(of_web monitor_pid) != "$before" ]]
  [[ -z $(word_of_web) ]]
  [[ $(word_of "$KNALLER_HOME/snapshots/$safety") == newer ]]
  [[ $(knaller snapshot inspect "$safety" | jq -r '.. | .labels? // empty | .safety') == rollback ]]
  gone "$before"
  only_web_is_there
  # And there again.
  k_exits 0 rollback web "$safety" --no-safety --json
  [[ $(jq -r '.snapshot, .safety_snapshot' <<< "$output" | tr '\n' ' ') == "$safety null " ]]
  [[ $(word_of_web) == newer ]]
  [[ $(knaller snapshot ls -q | wc -l) -eq 2 ]]
  k_exits 0 stop web
  k_exits 0 start -d web
  only_web_is_there
}

@test "without an id it is the latest of this VM, and another VM's is refused" {
  k_exits 0 start -d other --mem 64
  k_exits 0 snapshot create other
  k_exits 2 rollback web "$output"
  contains "$stderr" "another VM"
  k_exits 3 rollback nobody
  k_exits 0 rollback web --json
  [[ $(jq -r .snapshot <<< "$output") == "$id" ]]
  k_exits 0 rm -f other
  only_web_is_there
}

@test "of a stopped VM the safety snapshot has the disk" {
  local safety
  k_exits 0 stop web
  k_exits 0 rollback web "$id"
  safety=$output
  is web running
  [[ -z $(word_of_web) && $(word_of "$KNALLER_HOME/snapshots/$safety") == newer ]]
  [[ $(knaller snapshot inspect "$safety" | jq -r .has_memory) == false ]]
  only_web_is_there
  # And there again, by a boot.
  k_exits 0 rollback web "$safety" --no-safety
  [[ $(word_of_web) == newer ]]
  k_exits 0 stop web
  k_exits 0 rollback web "$id" --no-safety --json
  [[ $(jq .safety_snapshot <<< "$output") == null && -z $(word_of_web) ]]
  only_web_is_there
}

@test "a stopped VM that can't be put back stays as it was, and no snapshot is left of it" {
  k_exits 0 stop web
  spoil_state
  k_exits 12 rollback web "$id"
  contains "$stderr" "the VM is stopped, as before"
  is web stopped
  [[ $(of_web uuid) == "$uuid" && $(word_of_web) == newer ]]
  [[ $(knaller snapshot ls -q) == "$id" ]]
  only_web_is_there
  k_exits 0 start -d web
}

# Another state, of which the digests are right.
spoil_state() {
  chmod u+w "$KNALLER_HOME/snapshots/$id"/{state,manifest}
  printf "not a state" > "$KNALLER_HOME/snapshots/$id/state"
  "$KNALLER_SOURCE/tests/lib/sign-again" "$KNALLER_HOME/snapshots/$id" state
  chmod 0400 "$KNALLER_HOME/snapshots/$id"/{state,manifest}
}

@test "a damaged snapshot is refused before anything is touched" {
  local before
  before=$(of_web monitor_pid)
  chmod u+w "$KNALLER_HOME/snapshots/$id/memory"
  truncate -s 1M "$KNALLER_HOME/snapshots/$id/memory"
  k_exits 11 rollback web "$id"
  [[ $(of_web monitor_pid) == "$before" && $(word_of_web) == newer ]]
  [[ $(knaller snapshot ls -q | wc -l) -eq 1 ]]
  [[ $(ls -A "$KNALLER_HOME/vms") == web ]]
}

@test "when the engine refuses the state, the VM goes on as it was, and no snapshot is left of it" {
  spoil_state
  k_exits 12 rollback web "$id"
  contains "$stderr" "the VM runs as before"
  is web running
  [[ $(of_web uuid) == "$uuid" && $(word_of_web) == newer ]]
  # It was tried to renew it, which this guest has no helper for; nobody said --no-wait.
  [[ $(of_web renew_reason) == "the guest has no agent of knaller's" ]]
  [[ $(knaller snapshot ls -q | wc -l) -eq 1 ]]
  only_web_is_there
}

@test "an engine that never loads again: the VM is stopped, all that it was is kept, and that is said" {
  local engine safety
  k_exits 0 rm -f web
  engine=$(engine_with '{"rules": [{"path": "/snapshot/load", "die": "before"}]}')
  k_exits 0 start -d web --mem 64 --engine "$engine"
  k_exits 0 snapshot create web
  mark web newer
  k_exits 12 rollback web "$output"
  contains "$stderr" "could not be brought back"
  is web stopped
  [[ $(word_of_web) == newer ]]
  safety=$(knaller snapshot ls -q --filter label=safety)
  [[ $(word_of "$KNALLER_HOME/snapshots/$safety") == newer ]]
  contains "$stderr" "knaller rollback web $safety --no-safety"
  only_web_is_there
}

@test "once the VM is back, what fails is told, and neither called its end nor a reason to go back again" {
  local engine
  k_exits 0 rm -f web
  engine=$(engine_with '{}')
  k_exits 0 start -d web --mem 64 --engine "$engine"
  k_exits 0 snapshot create web
  id=$output
  spoil_state
  k_exits 0 pause web
  # From the next process on.
  mv "$(engine_with '{"rules": [{"method": "PATCH", "path": "/vm", "status": 400, "body": "no"}]}')" "$engine"
  k_exits 12 rollback web "$id"
  contains "$stderr" "could not be paused again"
  contains "$stderr" "the VM runs as before"
  lacks "$stderr" "could not be brought back"
  lacks "$stderr" "--no-safety"
  is web running
  [[ $(knaller snapshot ls -q | wc -l) -eq 2 && -z $(knaller snapshot ls -q --filter label=safety) ]]
  only_web_is_there
}

@test "killed at any moment: it runs as before, or is rolled back, or can be put back to the safety snapshot" {
  local round safety seed=$RANDOM
  echo "seed $seed"
  RANDOM=$seed
  for round in $(seq 12); do
    knaller rollback web "$id" --no-safety > /dev/null
    mark web newer
    knaller rollback web "$id" > /dev/null 2>&1 &
    command=$!
    children+=("$command")
    python3 -c "import time; time.sleep($((RANDOM % 200)) / 1000)"
    kill -KILL "$command" 2> /dev/null || true
    wait "$command" || true
    within 3000 settled
    safety=$(knaller snapshot ls -q --filter label=safety)
    if is web running; then
      [[ -z $(word_of_web) || $(word_of_web) == newer ]]
      [[ -n $safety || $(word_of_web) == newer ]]
    else
      is web stopped
      [[ -n $safety && $(word_of_web) == newer ]]
      k_exits 0 rollback web "$safety" --no-safety
      [[ $(word_of_web) == newer ]]
    fi
    [[ -z $safety ]] || k_exits 0 snapshot rm "$safety"
    only_web_is_there
  done
}

# No monitor but that of a running VM is left, and no VM is half there.
settled() {
  knaller ls -a > /dev/null
  [[ $(ls -A "$KNALLER_HOME/vms") == web && $(monitors_here | wc -l) -le 1 ]] && { is web running || is web stopped; }
}

@test "a VM with a network keeps its ports" {
  with_network
  k_exits 0 rm -f web
  k_exits 0 start -d web --mem 64 --no-wait --port 0:80 --port 0:22
  k_exits 0 snapshot create web
  local ports
  ports=$(of_web 'ports[0].Host, .ports[1].Host')
  k_exits 0 rollback web --no-wait
  [[ $(of_web 'ports[0].Host, .ports[1].Host') == "$ports" ]]
  is web running
  only_web_is_there
}

@test "the memory of the safety snapshot is taken as --capture says" {
  for way in engine outside; do
    k_exits 0 rollback web "$id" --capture "$way"
    [[ $(knaller snapshot inspect "$output" | jq -r .capture) == "$way" ]]
  done
  k_exits 2 rollback web "$id" --capture magic
  is web running
}

@test "a safety snapshot that takes too long fails the rollback, and --max-pause allows it more" {
  k_exits 0 rm -f web
  slow=$(engine_with '{"rules": [{"path": "/snapshot/create", "nth": 2, "delay_ms": 800}, {"path": "/snapshot/create", "nth": 2, "delay_ms": 800}]}')
  k_exits 0 start -d web --mem 64 --engine "$slow"
  k_exits 0 snapshot create web
  id=$output
  k_exits 7 rollback web "$id" --max-pause 200ms
  contains "$stderr" "--max-pause"
  is web running
  [[ $(knaller snapshot ls -q | wc -l) -eq 2 ]]
  KNALLER_MAX_PAUSE=20s k_exits 0 rollback web "$id"
  only_web_is_there
}
