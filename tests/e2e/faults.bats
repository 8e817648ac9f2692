# Faults on a real guest: whoever is killed, the rest goes within a second, ls tells the truth, and the VM starts again with its disk.
# shellcheck disable=SC2154 # bats' run sets them
# shellcheck disable=SC2016 # meant for another shell

bats_require_minimum_version 1.5.0
load ../lib/processes

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home"
  knaller image build tiny
  knaller start web --detach --memory 256 --port 0:80
}

teardown_file() {
  knaller rm -f web job clone > /dev/null 2>&1 || true
}

# The monitor, pasta, knaller-qemu and QEMU.
look_at_four() {
  look_at "$1"
  [[ ${#processes[@]} -eq 4 ]] || { ps -o pid,ppid,args -p "${processes[*]}"; return 1; }
}

@test "a snapshot whose command is killed leaves the guest running, and no snapshot" {
  knaller exec web -- sh -c 'echo kept > /root/note; sync'
  knaller snapshot create web --max-pause 60s --while-paused -- sleep 60 > /dev/null 2>&1 3>&- &
  command=$!
  within 20000 is web paused
  kill -KILL "$command"
  wait "$command" || true
  # A second after the engine's answer, which may take its time here; the figure is tested with an engine whose answer is
  # known (tests/system/snapshots.bats).
  within 10000 is web running
  [ -z "$(ls -A "$KNALLER_HOME/snapshots")" ]
  [ -z "$(find "$KNALLER_HOME/vms/web/jail" -name 'new-*')" ]
  [ "$(knaller exec web -- cat /root/note)" = kept ]
}

# A second for the answer to come.
clock_is_right() { (($(date +%s) - $(knaller exec "$1" -- date +%s) <= 2)); }
nobody_sets_a_clock() { ! pgrep --full -- "^/proc/self/exe --set-guest-clock" > /dev/null; }

@test "whoever ends a pause, the guest's clock is set" {
  # By the monitor, for a command that is gone.
  knaller snapshot create web --max-pause 60s --while-paused -- sleep 60 > /dev/null 2>&1 3>&- &
  command=$!
  within 20000 is web paused
  sleep 5
  kill -KILL "$command"
  wait "$command" || true
  within 10000 is web running
  within 20000 clock_is_right web
  within 20000 nobody_sets_a_clock
  run jq --raw-output '.what' "$KNALLER_HOME/vms/web/events.jsonl"
  [[ $output != *"clock is behind"* ]]
  # By a command that fails.
  run knaller snapshot create web --max-pause 60s --while-paused -- sh -c 'sleep 5; exit 1'
  [ "$status" -ne 0 ]
  clock_is_right web
}

@test "a killed pasta comes back on the same ports, and the guest is entered again" {
  look_at_four web
  before=$(knaller inspect web --json | jq -c '.ports')
  pasta=$(pgrep --parent "$monitor" 'pas[ts][at]')
  kill -KILL "$pasta"
  within 2000 gone "$pasta"
  entered() { [[ $(knaller exec web -- cat /root/note 2> /dev/null) == kept ]]; }
  within 20000 entered
  [ "$(knaller inspect web --json | jq -c '.ports')" = "$before" ]
}

# Of a VM that may be anything, starting too.
qemu_of() {
  local monitor pid
  for monitor in $(pgrep --full "knaller-monitor $1\$"); do
    for pid in $(descendants "$monitor"); do [[ $(cat "/proc/$pid/comm") != qemu-* ]] || echo "$pid"; done
  done
}

@test "a killed QEMU is a crash; the VM starts again with its disk" {
  look_at_four web
  qemu=$(qemu_of web)
  [ -n "$qemu" ]
  kill -KILL "$qemu"
  within 1000 gone "${processes[@]}"
  is web crashed
  knaller start web --detach
  [ "$(knaller exec web -- cat /root/note)" = kept ]
}

has_qemu() { [[ -n $(qemu_of "$1") ]]; }

@test "QEMU killed while its VM starts, is paused or stops: the rest goes, and the same name starts again" {
  knaller start again --detach --memory 128 3>&- > /dev/null 2> "$BATS_TEST_TMPDIR/err" &
  command=$!
  within 20000 has_qemu again
  kill -KILL "$(qemu_of again)"
  code=0
  wait "$command" || code=$?
  [ "$code" -eq 12 ] || { cat "$BATS_TEST_TMPDIR/err"; false; }
  [ ! -e "$KNALLER_HOME/vms/again" ]
  ! has_qemu again

  knaller start again --detach --memory 128
  knaller pause again
  look_at_four again
  kill -KILL "$(qemu_of again)"
  within 1000 gone "${processes[@]}"
  is again crashed

  knaller start again --detach
  look_at_four again
  qemu=$(qemu_of again)
  knaller stop again --timeout 60 &
  command=$!
  # A guest that has nothing to do may be quicker.
  kill -KILL "$qemu" || true
  wait "$command"
  gone "${processes[@]}"
  knaller start again --detach
  [ "$(knaller exec again -- echo here)" = here ]
  knaller rm -f again
}

@test "a guest that panics has crashed, and ls and logs say with which words" {
  knaller exec web -- sh -c 'echo 1 > /proc/sys/kernel/sysrq; (sleep 0.2; echo c > /proc/sysrq-trigger) > /dev/null 2>&1 < /dev/null &'
  within 20000 is web crashed
  run --separate-stderr knaller ls -a
  [[ $output == *panic* ]]
  run --separate-stderr knaller logs web
  [[ $output == *"Kernel panic"* && $stderr == *crashed* ]]
}

@test "a command of run that is killed takes its VM with it" {
  knaller run job --memory 256 -- sh -c 'echo inside; sleep 1000' > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err" 3>&- &
  command=$!
  inside() { grep -q inside "$BATS_TEST_TMPDIR/out"; }
  within 60000 inside || { cat "$BATS_TEST_TMPDIR/err"; false; }
  look_at_four job
  kill -KILL "$command"
  wait "$command" || true
  within 1000 gone "${processes[@]}"
  removed() { [[ -z $(ls -A "$KNALLER_HOME/vms" | grep job) ]]; }
  within 1000 removed
}

# Runs without bats, with a home on a file system of its own that has the image.
write_until_full() {
  local code=0
  knaller start full --detach --memory 128
  fallocate --length "$(($(stat --file-system --format '%a * %S' "$KNALLER_HOME") - (1 << 20)))" "$KNALLER_HOME/ballast"
  # The write fails, or the commit of it does.
  knaller exec full -- sh -c 'dd if=/dev/urandom of=/root/big bs=1M count=20 && sync /root/big' || code=$?
  [ "$code" -eq 1 ]
  [ "$(knaller exec full -- echo here)" = here ]
  is full running
  code=0
  knaller snapshot create full || code=$?
  [ "$code" -eq 10 ]
  [ "$(knaller exec full -- echo here)" = here ]
  rm "$KNALLER_HOME/ballast"
  knaller store check
  knaller exec full -- sh -c 'echo before > /root/note; sync /root/note'
  knaller restart full
  [ "$(knaller exec full -- cat /root/note)" = before ]
  knaller exec full -- sh -c 'echo again > /root/note; sync /root/note'
  knaller rm -f full
}

@test "on a full disk of the host the guest sees write errors and goes on" {
  small="$BATS_TEST_TMPDIR/small"
  mkdir "$small"
  unshare --user --map-current-user --keep-caps --mount true 2> /dev/null || skip "no mounts in a user namespace here"
  export -f write_until_full is state_of
  export small
  unshare --user --map-current-user --keep-caps --mount bash -e -x -c '
    mount -t tmpfs -o size=300m,mode=0700 none "$small"
    mkdir -m 0700 "$small/images"
    cp -a "$KNALLER_HOME/images/tiny" "$small/images"
    export KNALLER_HOME=$small
    write_until_full'
}

@test "a killed monitor takes pasta, the engine and QEMU with it, and rm cleans" {
  knaller start web --detach
  look_at_four web
  kill -KILL "$monitor"
  within 1000 gone "${processes[@]}"
  is web crashed
  knaller rm web
  [ -z "$(ls -A "$KNALLER_HOME/vms")" ]
}
