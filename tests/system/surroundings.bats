# Odd surroundings of a command: closed descriptors, few of them, small limits, no folder, broken pipes, signals.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() { system_setup; }
teardown() { system_teardown; }

@test "a command without standard input, output and error starts a whole VM" {
  knaller start -d web <&- >&- 2>&- 3>&-
  is web running
  k_exits 0 snapshot create web
  knaller stop web <&- >&- 2>&- 3>&-
  is web stopped
  [[ $(head -c 100 "$KNALLER_HOME/vms/web/vm.json" | head -c 1) == "{" ]]
}

@test "a command from a folder that was removed works" {
  mkdir "$BATS_TEST_TMPDIR/left"
  cd "$BATS_TEST_TMPDIR/left"
  rmdir "$BATS_TEST_TMPDIR/left"
  k_exits 0 start -d web
  is web running
}

@test "output that nobody reads undoes nothing that is done" {
  knaller start -d web 2> /dev/null | true
  is web running
}

@test "a command that is told to ignore how its children end looks all the same" {
  python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])' knaller start -d web
  is web running
}

@test "few descriptors, processes or bytes a file: an error, and nothing is left" {
  for limit in '-n 4' '-n 8' '-n 12' '-n 16' '-f 0' '-f 64' '-f 4096'; do
    read -ra words <<< "$limit"
    code=0
    (ulimit "${words[@]}"; exec knaller start -d web) > "$BATS_TEST_TMPDIR/files/out" 2>&1 3>&- || code=$?
    echo "ulimit $limit: $code $(cat "$BATS_TEST_TMPDIR/files/out")"
    # 153: SIGXFSZ, as for every program.
    if [[ $code -eq 0 ]]; then
      is web running
      k_exits 0 rm -f web
    else
      [[ $code -eq 1 || $code -eq 9 || $code -eq 10 || $code -eq 12 || $code -eq 153 ]]
    fi
    nothing_left
  done
}

@test "a signal before the handover undoes the start, at once and with the signal's exit code" {
  slow=$(engine_with '{"rules": [{"path": "/actions", "hang": "before"}]}')
  for signal in INT TERM HUP; do
    # A job in the background of a script ignores SIGINT.
    env --default-signal=INT knaller start -d web --engine "$slow" > /dev/null 2> "$BATS_TEST_TMPDIR/files/err" 3>&- &
    command=$!
    children+=("$command")
    within 3000 is web starting
    within 3000 eval '[[ -n $(monitors_here) ]]'
    kill "-$signal" "$command"
    code=0
    wait "$command" || code=$?
    echo "$signal: $code $(cat "$BATS_TEST_TMPDIR/files/err")"
    [[ $code -eq $((128 + $(kill -l "$signal"))) ]]
    # Without the help of another command.
    [[ -z $(ls -A "$KNALLER_HOME/vms") ]]
    nothing_left
  done
}

@test "on a full disk VMs are listed, stopped and removed, and snapshots fail and leave the VM running" {
  on_small_disk '
    knaller start -d web --mem 128
    knaller start -d other --mem 128
    knaller start --rm tied --mem 128 > /dev/null & tied=$!
    for ((i = 0; i < 100; ++i)); do [[ $(knaller ls -q) != *tied* ]] || break; sleep 0.05; done
    cat /dev/zero > "$1/filler" 2> /dev/null || true
    kill -KILL "$tied"
    for ((i = 0; i < 100; ++i)); do [[ -e $1/vms/tied ]] || break; sleep 0.05; done
    [[ ! -e $1/vms/tied ]] || { echo "a full disk kept the VM of a command that is gone"; exit 1; }
    code=0
    knaller snapshot create web || code=$?
    [[ $code -eq 10 || $code -eq 12 ]] || { echo "snapshot create: $code"; exit 1; }
    [[ -z $(ls -A "$1/snapshots") ]]
    [[ $(knaller ls --format "{{.Name}} {{.Status}}") == $'"'other running\nweb running'"' ]]
    knaller pause web
    knaller resume web
    knaller stop web
    knaller rm web
    knaller rm -f other
    [[ -z $(ls -A "$1/vms") ]]
    rm "$1/filler"
    knaller start -d web
    knaller rm -f web'
}

@test "without libcrypto what needs none works, a VM that needs a key is not started, and the error names the package" {
  make_image_ours
  library=$(/sbin/ldconfig -p | awk '$1 == "libcrypto.so.3" { print $NF; exit }')
  unshare --user --map-current-user --keep-caps --mount mount --bind /dev/null "$library" 2> /dev/null ||
    skip "no mounts in a user namespace here"
  # shellcheck disable=SC2016 # meant for another shell
  without_libcrypto=(unshare --user --map-current-user --keep-caps --mount bash -c 'mount --bind /dev/null "$0" && exec "$@"' "$library")
  "${without_libcrypto[@]}" knaller ls
  code=0
  "${without_libcrypto[@]}" knaller start -d web 2> "$BATS_TEST_TMPDIR/files/err" || code=$?
  ((code == 3))
  grep 'cannot load libcrypto.so.3' "$BATS_TEST_TMPDIR/files/err"
  grep 'sudo apt install libssl3' "$BATS_TEST_TMPDIR/files/err"
  nothing_left
}
