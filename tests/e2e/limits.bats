# The effect of limits on a real guest, within 15 %: of its disk and its network anywhere, of its processor time where there are
# control groups. A guest of 200 MiB of which nothing is asked is fast enough on emulation for these rates.
# shellcheck disable=SC2154 # bats' run sets them

bats_require_minimum_version 1.5.0
load ../lib/processes

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home"
  knaller image build tiny
  knaller start web --detach --memory 256 --disk-bandwidth 4M:1M --network-bandwidth 1M:128K --port 0:5000 --port 0:22
  knaller exec web -- sh -c 'while :; do nc -l -p 5000 < /dev/zero; done > /dev/null 2>&1 &'
}

teardown_file() {
  knaller rm -f web clone > /dev/null 2>&1 || true
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# near EXPECTED COMMAND...: what the command prints is within 15 % of that. More fails at once; less is measured twice again, for a
# host that has other things to do makes a guest slower, and never faster.
near() {
  local expected=$1 what
  shift
  for _ in 1 2 3; do
    what=$("$@")
    echo "$what where $expected was expected"
    awk -v what="$what" -v expected="$expected" 'BEGIN { exit !(what < expected * 1.15) }' || return 1
    ! awk -v what="$what" -v expected="$expected" 'BEGIN { exit !(what > expected * 0.85) }' || return 0
  done
  return 1
}

# Writes so many MiB to the disk of VM $1, and prints KiB a second by the guest's own clock. What had been saved up goes before.
disk_rate() {
  knaller exec "$1" -- sh -c '
    dd if=/dev/zero of=/root/first bs=1M count=4 conv=fsync 2> /dev/null
    begin=$(cut -d " " -f 1 /proc/uptime)
    dd if=/dev/zero of=/root/more bs=1M count='"$2"' conv=fsync 2> /dev/null
    end=$(cut -d " " -f 1 /proc/uptime)
    rm /root/first /root/more; sync
    awk "BEGIN { print int('"$2"' * 1024 / ($end - $begin)) }"'
}

# The same, of what goes into the guest through its network, from when it has begun to arrive. By ssh: `exec` has a way of its own.
network_rate_in() {
  # Not by the agent, which has a device of its own.
  by_network=(-o ProxyCommand=none -o "Port=$(knaller inspect "$1" --json | jq '.ports[] | select(.Guest == 22).Host')")
  head -c $((($2 << 20) + 1000000)) /dev/zero | knaller ssh "$1" "${by_network[@]}" -- '
    head -c 1000000 > /dev/null
    begin=$(cut -d " " -f 1 /proc/uptime)
    cat > /dev/null
    end=$(cut -d " " -f 1 /proc/uptime)
    awk "BEGIN { print int('"$2"' * 1024 / ($end - $begin)) }"'
}

# And of what it answers to the host's loopback, which pasta takes over inside the namespace: for five seconds, after what had been
# saved up. Nothing is encrypted, since that would keep a guest on emulation busier than its network.
network_rate_out() {
  python3 - "$(knaller inspect "$1" --json | jq '.ports[] | select(.Guest == 5000).Host')" << 'PY'
import socket, sys, time
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
def rate(seconds):
    begin, read = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        read += len(peer.recv(65536))
    return read / (time.monotonic() - begin)
rate(2)
print(int(rate(5) / 1024))
PY
}

@test "a disk carries no more than its bandwidth, and as much as that" {
  near 4096 disk_rate web 24
}

@test "a network carries no more than its bandwidth into a guest and out of it, and as much as that" {
  near 1024 network_rate_in web 6
  near 1024 network_rate_out web
}

@test "set changes the rates of a guest that runs, and none lifts them" {
  knaller set web --disk-bandwidth 8M:1M --network-bandwidth 2M:256K
  near 8192 disk_rate web 40
  near 2048 network_rate_in web 10
  near 2048 network_rate_out web
  # Lifted from a rate that a guest on emulation exceeds even on a busy host.
  knaller set web --network-bandwidth 512K:64K
  knaller set web --disk-bandwidth none --network-bandwidth none
  [[ $(disk_rate web 40) -gt 9500 ]]
  [[ $(network_rate_in web 10) -gt 800 ]]
  [[ $(network_rate_out web) -gt 800 ]]
}

@test "a clone has the limits of its own options, whatever its snapshot's were" {
  knaller start clone --detach --from-snapshot "$(knaller snapshot create web)" --disk-bandwidth 4M:1M --network-bandwidth 1M:128K
  near 4096 disk_rate clone 24
  near 1024 network_rate_in clone 6
  near 1024 network_rate_out clone
  again=$(knaller snapshot create clone)
  knaller rm -f clone
  knaller start clone --detach --from-snapshot "$again" --disk-bandwidth none --network-bandwidth none
  [[ $(disk_rate clone 40) -gt 5000 ]]
  [[ $(network_rate_in clone 6) -gt 1300 ]]
  knaller rm -f clone
}

@test "a limited network comes back limited after its pasta was killed" {
  knaller set web --network-bandwidth 1M:128K
  pasta=$(pgrep --parent "$(knaller inspect web --json | jq .monitor_pid)" 'pas[ts][at]')
  kill -KILL "$pasta"
  within 2000 gone "$pasta"
  entered() { knaller exec web -- true 2> /dev/null; }
  within 20000 entered
  near 1024 network_rate_in web 6
  near 1024 network_rate_out web
}

# By the group's own clock, which tells what the VM got, whatever else the host had to do.
cpu_share() {
  local used begin
  used=$(knaller inspect "$1" --json | jq .usage.cpu_us)
  begin=$(now_ms)
  sleep 8
  echo $((($(knaller inspect "$1" --json | jq .usage.cpu_us) - used) / ($(now_ms) - begin)))
}

@test "a busy guest gets the part of a processor that it may have" {
  [[ $(knaller inspect web --json | jq -r .control_group) != null ]] || skip "no control groups of one's own here"
  knaller exec web -- sh -c 'while :; do :; done > /dev/null 2>&1 < /dev/null & echo $! > /tmp/busy'
  knaller set web --cpus 0.5
  near 500 cpu_share web
  knaller set web --cpus 0.2
  near 200 cpu_share web
  knaller set web --cpus 1
  knaller exec web -- sh -c 'kill "$(cat /tmp/busy)"'
}
