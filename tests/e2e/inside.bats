# Reaching into a real guest: exec, ssh, cp, run, ssh-config, and the terminal.
# shellcheck disable=SC2154 # bats' run sets them
# shellcheck disable=SC2016 # meant for another shell
bats_require_minimum_version 1.5.0
load ../lib/processes

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/it's a home" XDG_CONFIG_HOME="$BATS_FILE_TMPDIR/config"
  # The first command in a new home: it builds the image.
  knaller start in --detach --mem 256 2> "$BATS_FILE_TMPDIR/said"
}

teardown_file() {
  knaller rm -f --all > /dev/null 2>&1 || true
}

setup() {
  cd "$BATS_TEST_TMPDIR"
}

inside() {
  run --separate-stderr knaller exec in -- "$@"
}

terminal() {
  python3 "$BATS_TEST_DIRNAME/terminal.py" "$@"
}

@test "the first start builds the image tiny, and says so" {
  grep -q "there is no image 'tiny' yet: building it, this once" "$BATS_FILE_TMPDIR/said"
  grep -q "write the root file system" "$BATS_FILE_TMPDIR/said"
  [ "$(knaller image ls -q)" = tiny ]
}

# Its user owns the files, so their modes don't hinder it.
@test "an engine can't write to what its VM shares with others" {
  engine=$(knaller inspect in | jq .engine_pid)
  shared=("$KNALLER_HOME"/vms/in/parts/*)
  ((${#shared[@]} == 3))
  for file in "${shared[@]}"; do
    python3 - "$file" "/proc/$engine/root/vm/${file##*/}" << 'END'
import errno, os, sys
outside, inside = sys.argv[1:]
assert os.path.samefile(outside, inside)
os.chmod(outside, 0o600)
for change in (lambda: os.chmod(inside, 0o666), lambda: open(inside, "r+b"), lambda: os.truncate(inside, 0)):
    try:
        change()
        sys.exit(f"{inside} can be changed")
    except OSError as error:
        assert error.errno == errno.EROFS, error
os.chmod(outside, 0o400)
END
  done
}

@test "image build makes disks of the size that is asked for" {
  knaller image build tiny --name wide --size 3G
  [ "$(knaller image inspect wide | jq .disk_mib)" -eq 3072 ]
  knaller start wide --detach --mem 256 --image wide
  kib=$(knaller exec wide -- sh -c 'df -k /var/lib/knaller | tail -n 1' | awk '{ print $2 }')
  ((kib > 2800 * 1024 && kib <= 3072 * 1024))
  knaller rm -f wide
  knaller image rm wide
}

@test "exec passes each argument literally" {
  inside printf '<%s>' 'a b' '$HOME' '' "it's" '"' '\n' '*' $'two\nlines' '-n' '--' 'ü'
  [ "$status" -eq 0 ]
  [ "$output" = $'<a b><$HOME><><it\'s><"><\\n><*><two\nlines><-n><--><ü>' ]
}

@test "exec returns the command's own code, 255 too, 126, 127 and 128+N" {
  for code in 0 1 2 3 125 126 127 255; do
    inside sh -c "exit $code"
    [ "$status" -eq "$code" ]
  done
  inside no-such-command
  [ "$status" -eq 127 ]
  inside /etc/passwd
  [ "$status" -eq 126 ]
  inside sh -c 'kill -TERM $$'
  [ "$status" -eq 143 ]
  inside sh -c 'kill -KILL $$'
  [ "$status" -eq 137 ]
}

@test "exec keeps output and errors apart, and carries input of any bytes" {
  inside sh -c 'echo out; echo err >&2'
  [ "$output" = out ]
  [ "$stderr" = err ]
  head -c 3000000 /dev/urandom > bytes
  knaller exec in -- cat < bytes > back
  cmp bytes back
  run knaller exec -n in -- cat
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "exec sets variables, directory and nothing else" {
  run knaller exec -e 'A=b c' -e "Q=it's" -w /etc in -- sh -c 'pwd; echo "$A|$Q"'
  [ "$output" = $'/etc\nb c|it\'s' ]
  run knaller exec -w /no/such/place in -- pwd
  [ "$status" -ne 0 ]
}

@test "a guest that stood still has the right time when it runs again" {
  inside date -s @1000000000
  [ "$status" -eq 0 ]
  knaller pause in
  knaller resume in
  before=$(date +%s)
  inside date +%s
  ((output >= before - 2 && output <= $(date +%s) + 2))
}

@test "exec passes signals on" {
  # A shell lets what it runs in the background ignore SIGINT.
  coproc GUEST { exec env --default-signal=INT knaller exec in -- sh -c 'trap "echo caught; exit 9" INT; echo up; while :; do sleep 0.1; done'; }
  read -r line <&"${GUEST[0]}"
  [ "$line" = up ]
  exec {out}<&"${GUEST[0]}"
  pid=$GUEST_PID
  kill -INT "$pid"
  read -r line <&"$out"
  [ "$line" = caught ]
  code=0
  wait "$pid" || code=$?
  [ "$code" -eq 9 ]
}

# Three of them ask for the end of a command whose guest does not.
@test "exec of a guest that hangs can be interrupted, connected or not" {
  coproc GUEST { exec knaller exec in -- sh -c 'echo up; sleep 1000'; }
  read -r line <&"${GUEST[0]}"
  [ "$line" = up ]
  connected=$GUEST_PID
  look_at in
  qemu=$(pgrep --parent "$engine")
  kill -STOP "$qemu"
  env --default-signal=INT knaller exec in -- true 3>&- 2> "$BATS_TEST_TMPDIR/said" &
  connecting=$!
  sleep 0.5
  kill -INT "$connecting"
  within 2000 gone "$connecting"
  # One that comes before the last was taken is lost.
  insist() {
    kill -TERM "$connected"
    sleep 0.3
    gone "$connected"
  }
  within 5000 insist
  kill -CONT "$qemu"
  code=0
  wait "$connecting" || code=$?
  [ "$code" -eq 130 ]
  code=0
  wait "$connected" || code=$?
  [ "$code" -eq 143 ]
}

@test "exec gives a terminal its size, follows its changes, and hands Ctrl-C to the guest" {
  terminal window in
}

@test "exec waits for a guest that nobody waited for" {
  knaller start soon --detach --mem 256 --no-wait
  run knaller exec --wait-timeout 2m soon -- hostname
  [ "$status" -eq 0 ]
  [ "$output" = soon ]
  knaller wait --for ready --timeout 2m soon
  run --separate-stderr knaller ssh soon hostname
  [ "$output" = soon ]
  knaller rm -f soon
}

@test "a command that was detached runs on, is listed, joined and ended" {
  id=$(knaller exec -d in -- sh -c 'echo begun; until [ -e /tmp/go ]; do sleep 0.1; done; echo gone on; exit 9')
  [[ $id =~ ^[0-9a-f]{12}$ ]]
  run knaller ps in
  [[ $output == *"$id"*"running"*"until [ -e /tmp/go ]"* ]]
  inside touch /tmp/go
  run knaller attach in "${id:0:6}"
  [ "$status" -eq 9 ]
  [ "$output" = $'begun\ngone on' ]
  run knaller attach in "$id"
  [ "$status" -eq 125 ]
  id=$(knaller exec --detach in -- sleep 1000)
  knaller kill -s KILL in "$id"
  run knaller attach in "$id"
  [ "$status" -eq 137 ]
  [ -z "$(knaller ps -q in)" ]
}

@test "125 when the connection fails" {
  knaller pause in
  run --separate-stderr knaller exec in -- true
  knaller resume in
  [ "$status" -eq 125 ]
  [[ $stderr == *resume* ]]
}

@test "ssh gives the string to the guest's shell" {
  run --separate-stderr knaller ssh in -- 'echo $HOME; exit 5'
  [ "$status" -eq 5 ]
  [ "$output" = /root ]
  run knaller ssh in hostname
  [ "$output" = in ]
}

@test "ssh reads no configuration, and what the user gives goes before knaller's own" {
  printf 'Host *\n  %s\n' 'NoSuchOption yes' 'RemoteCommand false' 'AddressFamily inet6' 'ProxyJump nowhere' 'User nobody' > hostile
  run unshare --user --map-root-user --mount bash -c '
    mount --bind hostile /etc/ssh/ssh_config && ! ssh -G in > /dev/null 2>&1 && exec knaller ssh in hostname'
  [ "$output" = in ]
  run knaller ssh in -o User=nobody true
  [ "$status" -eq 255 ]
}

@test "ssh, scp and sftp read what ssh-config prints" {
  knaller ssh-config in > config
  echo content > file
  ssh -F config in true
  scp -q -F config file in:/tmp/by-scp
  echo 'put file /tmp/by-sftp' | sftp -q -b - -F config in
  inside cat /tmp/by-scp /tmp/by-sftp
  [ "$output" = $'content\ncontent' ]
}

@test "a kernel's last words on the console end no VM that runs" {
  inside sh -c 'for line in "reboot: System halted" "Kernel panic - not syncing: quoted"; do
    echo "[   12.345678] $line" > /dev/console; done'
  [ "$status" = 0 ]
  # Each of these wakes the guest's processor.
  until grep -q "it has halted, but it runs" "$KNALLER_HOME/vms/in/events.jsonl"; do
    inside true
    [ "$status" = 0 ]
  done
  [ "$(knaller ls --format '{{.Name}} {{.Status}}')" = 'in running' ]
}

@test "what a guest gives back of its disk, its file gives back" {
  disk="$KNALLER_HOME/vms/in/jail/disk.ext4"
  inside sh -c 'dd if=/dev/urandom of=/big bs=1M count=32 2> /dev/null; sync'
  (($(stat -c %b "$disk") * 512 > 32 << 20))
  inside sh -c 'rm /big; sync; fstrim /var/lib/knaller'
  [ "$status" = 0 ]
  (($(stat -c %b "$disk") * 512 < 32 << 20))
}

# See docs/decisions/0103.
@test "what lies beside a hole that a guest makes is read while somebody watches its disk" {
  disk="$KNALLER_HOME/vms/in/jail/disk.ext4"
  pages_after_a_discard() {
    # The small one ends the hole that the large one leaves.
    knaller exec in -- sh -c 'dd if=/dev/urandom of=/big bs=1M count=32 2> /dev/null; sync; echo small > /small; sync'
    dd oflag=nocache conv=notrunc,fdatasync count=0 of="$disk" 2> /dev/null
    knaller exec in -- sh -c 'rm /big; sync; fstrim /var/lib/knaller'
    fincore --noheadings --output PAGES "$disk"
  }
  (($(pages_after_a_discard) < 200))
  # A shared lock on byte 1 << 62, of this description alone (F_OFD_SETLK).
  coproc WATCHER { exec python3 -c 'import fcntl, struct, sys
disk = open(sys.argv[1], "rb")
fcntl.fcntl(disk, 37, struct.pack("hhqqiq", fcntl.F_RDLCK, 0, 1 << 62, 1, 0, 0))
print("locked", flush=True)
sys.stdin.read()' "$disk" 3>&-; }
  read -r -t 10 line <&"${WATCHER[0]}"
  [ "$line" = locked ]
  (($(pages_after_a_discard) > 256))
  kill "$WATCHER_PID"
}

@test "ssh refuses a guest with another host key" {
  knaller ssh-config in > config
  knaller start other --detach --mem 256
  sed -i "s/connect 'in' 22/connect 'other' 22/" config
  run ssh -F config in true
  [ "$status" -eq 255 ]
  knaller rm -f other
}

@test "cp leaves devices, folders and links to folders in the guest as they are" {
  mkdir -m 0700 tmp
  echo one > tmp/one
  knaller cp tmp in:/
  inside sh -c 'ln -s /srv /way; stat -c %a /tmp; cat /tmp/one; ls -l /dev/null'
  [[ $output == $'1777\none\nc'* ]]
  mkdir way
  echo two > way/two
  knaller cp way in:/
  inside sh -c 'readlink /way; cat /srv/two'
  [ "$output" = $'/srv\ntwo' ]
  run knaller cp tmp/one in:/dev/null
  [[ $status -eq 5 && $output == *"hint:"* ]]
  run knaller cp in:/tmp/one /dev/null
  [[ $status -eq 5 && -c /dev/null ]]
}

@test "cp carries files and directories both ways, with modes, links and odd names" {
  mkdir -p tree/sub
  echo one > 'tree/a file'
  echo two > tree/sub/exec
  chmod 0755 tree/sub/exec
  ln -s sub/exec tree/link
  head -c 500000 /dev/urandom > tree/bytes
  knaller cp tree in:/srv
  inside sh -c 'cat "/srv/tree/a file" /srv/tree/link; test -x /srv/tree/sub/exec && readlink /srv/tree/link'
  [ "$output" = $'one\ntwo\nsub/exec' ]
  knaller cp in:/srv/tree back
  diff -r tree back
  [ "$(readlink back/link)" = sub/exec ]
  [ -x back/sub/exec ]
  knaller cp in:/etc/hostname name
  [ "$(cat name)" = in ]
  run knaller cp in:/no/such/file .
  [ "$status" -eq 3 ]
  run knaller cp no-such-file in:/tmp
  [ "$status" -eq 3 ]
}

@test "run returns the command's code and leaves nothing" {
  run --separate-stderr knaller run --mem 256 -- sh -c 'cat; exit 7' <<< input
  [ "$status" -eq 7 ]
  [ "$output" = input ]
  [ "$(knaller ls -aq)" = in ]
}

@test "run --keep keeps the VM" {
  knaller run --keep --mem 256 kept -- true
  [ "$(knaller ls --format '{{.Name}} {{.Status}}')" = $'in running\nkept running' ]
  knaller rm -f kept
}

@test "run that is killed leaves nothing, either" {
  coproc GUEST { exec knaller run --mem 256 killed -- sh -c 'echo up; sleep 1000'; }
  read -r line <&"${GUEST[0]}"
  [ "$line" = up ]
  monitor=$(knaller inspect killed | jq .monitor_pid)
  kill -KILL "$GUEST_PID"
  timeout 10 tail --pid "$monitor" -f /dev/null
  [ "$(knaller ls -aq)" = in ]
}
