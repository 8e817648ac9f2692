# Nobody else may read what is a VM's own, and no secret shows where people look.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() {
  umask 0000
  system_setup
  make_image_ours
}
teardown() { system_teardown; }

@test "directories are 0700 and files 0600 or 0400, whatever the umask" {
  k_exits 0 start -d web --mem 128 --no-wait
  [[ -s $KNALLER_HOME/vms/web/ssh_key ]]
  k_exits 0 snapshot create web --name before
  k_exits 0 start -d web2 --from-snapshot "$output" --no-wait
  k_exits 0 stop web
  open=$(find "$KNALLER_HOME" \( -type d ! -perm 0700 -o ! -type d ! -type l -perm /0077 \) -printf '%m %p\n')
  [[ -z $open ]] || { echo "$open"; false; }
  [[ $(stat -c %a "$KNALLER_HOME/vms/web/ssh_key") == 600 ]]
}

@test "no private key on a command line, in an environment, in a log or in inspect" {
  k_exits 0 start -d web --mem 128 --no-wait --verbose --timings
  said=$output$stderr
  look_at web
  # A line of its base64, which is nothing but the key.
  secret=$(grep -v -- -- "$KNALLER_HOME/vms/web/ssh_key" | tail -n 2 | head -n 1)
  [[ ${#secret} -gt 30 ]]
  lacks "$said" "$secret"
  for pid in "${processes[@]}"; do
    ! grep -qF -- "$secret" "/proc/$pid/cmdline"
    ! tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | grep -qF -- "$secret"
  done
  k_exits 0 inspect web
  lacks "$output" "$secret"
  k_exits 0 snapshot create web
  k_exits 0 snapshot inspect "$output"
  lacks "$output" "$secret"
  k_exits 0 logs web
  lacks "$output$stderr" "$secret"
  k_exits 0 logs --engine web
  lacks "$output$stderr" "$secret"
  held=$(grep -rlF -- "$secret" "$KNALLER_HOME" --include='*' --exclude='*.ext4' --devices=skip | sort)
  [[ $(grep -vc '/ssh_key$' <<< "$held") -eq 0 ]] || { echo "$held"; false; }
}

@test "a monitor keeps nothing of the environment of its command" {
  export SECRET_TOKEN=hunter2hunter2
  k_exits 0 start -d web
  look_at web
  for pid in "${processes[@]}"; do
    ! grep -q hunter2 "/proc/$pid/environ" 2> /dev/null
  done
}

# The status of a process that a signal ended says whether its core was dumped, wherever to.
@test "a command that crashes leaves no core" {
  run python3 - << 'PY'
import fcntl, os, resource, signal, struct, subprocess, sys, termios, time

os.chdir(os.environ["BATS_TEST_TMPDIR"])
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def dumps_core(*argv):
    """It crashes once it has read from its input, and is well under way then."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.write(child.stdin.fileno(), b"\x28\xb5\x2f\xfd")
    while struct.unpack("i", fcntl.ioctl(child.stdin, termios.FIONREAD, b"0000"))[0] > 0 and child.poll() is None:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGABRT)
    status = os.waitpid(child.pid, 0)[1]
    assert os.WIFSIGNALED(status), status
    return os.WCOREDUMP(status)

if not dumps_core("cat"):
    sys.exit("no core is dumped here")
sys.exit(5 if dumps_core("knaller", "snapshot", "import", "-") else 0)
PY
  [[ $output != *"no core is dumped here"* ]] || skip "no core is dumped here"
  [[ $status -eq 0 ]] || { echo "$status $output"; false; }
}
