# The network of a real guest: what reaches it, what it reaches, and what happens when something is missing.
# shellcheck disable=SC2154 # bats' run sets them
# shellcheck disable=SC2016 # meant for another shell

bats_require_minimum_version 1.5.0

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home"
  knaller image build tiny
  knaller start net --detach --memory 256 --port 0:80
  knaller exec net -- sh -c 'mkdir -p /srv && echo "a page of the guest" > /srv/index.html && httpd -p 80 -h /srv'
  PORT=$(knaller inspect net --json | jq '.ports[0].Host')
  export PORT
}

teardown_file() {
  knaller rm -f net clone taken none offline lost >/dev/null 2>&1 || true
}

# A test that failed would else wait for its service.
teardown() { [[ -z ${SERVICE_PID:-} ]] || kill "$SERVICE_PID" 2>/dev/null || true; }

fetch() { curl --silent --show-error --max-time 10 --retry 50 --retry-delay 0 --retry-all-errors "$@"; }

# What a guest says when it connects to ADDRESS PORT.
from_guest() { knaller exec net -- sh -c "echo hi | nc -w 5 $1 $2 2>&1" </dev/null; }

# A service of the host on every address, also on loopback; its port in $service.
start_service() {
  coproc SERVICE { exec python3 -u "$BATS_TEST_DIRNAME/../lib/tcp-service"; }
  read -r service <&"${SERVICE[0]}"
}

children_of_monitor() {
  local monitor
  monitor=$(knaller inspect net --json | jq .monitor_pid)
  pgrep --parent "$monitor" --exact 'pasta|passt\.avx2|pasta\.avx2'
}

@test "a forwarded port is answered by the guest, on 127.0.0.1 alone" {
  [ "$(fetch "http://127.0.0.1:$PORT/")" = "a page of the guest" ]
  local listening
  listening=$(ss --listening --tcp --numeric --no-header "sport = :$PORT" | awk '{ print $4 }')
  [ "$listening" = "127.0.0.1:$PORT" ]
}

@test "the guest reaches no service of the host, by any of its addresses" {
  start_service
  local address
  for address in $(hostname --all-ip-addresses | tr ' ' '\n' | grep -v :) 10.255.254.1 10.255.255.1 10.255.255.2 10.255.255.53; do
    run from_guest "$address" "$service"
    echo "$address: $output"
    [[ $output == *"No route to host"* ]]
  done
  # The service is alive and says who came: only we.
  [ "$(fetch "http://127.0.0.1:$service/")" = "visitor 1" ]
  kill "$SERVICE_PID"
}

@test "the guest reaches no private network, and no name server but the forwarder" {
  local target
  for target in '10.1.2.3 80' '172.16.0.1 80' '192.168.1.1 80' '169.254.169.254 80' '100.64.0.1 80' '198.18.0.1 80' '8.8.8.8 53'; do
    # shellcheck disable=SC2086 # address and port
    run from_guest $target
    echo "$target: $output"
    [[ $output == *"No route to host"* ]]
  done
  [ "$(knaller exec net -- cat /etc/resolv.conf)" = "nameserver 10.255.255.53" ]
}

@test "where the guest may connect to changes while it runs, and its connections with it" {
  start_service
  local address
  address=$(hostname --all-ip-addresses | tr ' ' '\n' | grep -v : | grep . | head -n 1)
  [[ -n $address ]] || skip "the host has no address"
  run from_guest "$address" "$service"
  [[ $output == *"No route to host"* ]]
  knaller set net --egress none --allow "$address:$service"
  # With a time of its own: Debian's pasta does not always tell the guest that the service has hung up.
  run knaller exec net -- sh -c "echo hi | timeout 10 nc $address $service 2>&1" </dev/null
  echo "$output"
  [[ $output == *"visitor 1"* ]]
  run knaller exec net -- nslookup -type=a example.com
  [[ $status -ne 0 && $output != *"Name:"* ]]
  knaller set net --egress internet --allow none
  run from_guest "$address" "$service"
  [[ $output == *"No route to host"* ]]
  kill "$SERVICE_PID"
}

@test "the guest resolves what the host resolves" {
  local name=deb.debian.org address
  address=$(getent ahostsv4 "$name" | awk 'NR == 1 { print $1 }')
  [[ -n $address ]] || skip "the host has no name service"
  # Of one kind: busybox gives both queries one id where the clock is coarse, and then mistakes the answers.
  run knaller exec net -- nslookup -type=a "$name"
  echo "$output"
  [[ $output == *"10.255.255.53"* && $output == *"Name:"*"$name"* ]]
}

@test "the guest has no way out over IPv6" {
  [ -z "$(knaller exec net -- ip -6 route show default)" ]
  local engine
  engine=$(knaller inspect net --json | jq .engine_pid)
  local addresses
  addresses=$(<"/proc/$engine/net/if_inet6")
  [ -z "$addresses" ]
  grep --quiet tap0 "/proc/$engine/net/dev"  # it was the right namespace
}

@test "pasta that is killed comes back on the same port" {
  local before after
  before=$(children_of_monitor)
  kill -9 "$before"
  [ "$(fetch "http://127.0.0.1:$PORT/")" = "a page of the guest" ]
  after=$(children_of_monitor)
  [ "$before" != "$after" ]
  [ "$(knaller inspect net --json | jq -r .network)" = rootless ]
}

@test "a clone has a port of its own, the original keeps its one, and neither reaches the other" {
  local snapshot port
  snapshot=$(knaller snapshot create net --quiet)
  knaller start clone --detach --from-snapshot "$snapshot"
  port=$(knaller inspect clone --json | jq '.ports[0].Host')
  [ "$port" -ne "$PORT" ]
  knaller exec clone -- sh -c 'echo "a page of the clone" > /srv/index.html'
  [ "$(fetch "http://127.0.0.1:$port/")" = "a page of the clone" ]
  [ "$(fetch "http://127.0.0.1:$PORT/")" = "a page of the guest" ]
  local address
  for address in $(hostname --all-ip-addresses | tr ' ' '\n' | grep -v :) 10.255.254.1; do
    run from_guest "$address" "$port"
    echo "$address: $output"
    [[ $output == *"No route to host"* ]]
  done
  knaller rm -f clone
  knaller snapshot rm "$snapshot"
}

@test "a VM that was stopped frees its port, and forwards it again when it is started" {
  knaller stop net
  run curl --silent --max-time 5 "http://127.0.0.1:$PORT/"
  [ "$status" -eq 7 ]
  knaller start net --detach
  knaller exec net -- httpd -p 80 -h /srv
  local port
  port=$(knaller inspect net --json | jq '.ports[0].Host')  # chosen anew, as it was 0
  [ "$(fetch "http://127.0.0.1:$port/")" = "a page of the guest" ]
}

@test "a port that is taken fails the start, names it, and leaves nothing" {
  start_service
  run --separate-stderr knaller start taken --detach --memory 256 --port "$service:80"
  echo "$stderr"
  [ "$status" -eq 8 ]
  [[ $stderr == *"127.0.0.1:$service is held by python3 (pid $SERVICE_PID)"* ]]
  [[ $(knaller ls --all --quiet) != *taken* ]]
  kill "$SERVICE_PID"
}

@test "without pasta the start says what to install" {
  run --separate-stderr knaller start lost --detach --memory 256 --pasta /nowhere/pasta
  echo "$stderr"
  [ "$status" -eq 3 ]
  [[ $stderr == *pasta* && $stderr == *"apt install passt"* ]]
  [[ $(knaller ls --all --quiet) != *lost* ]]
}

@test "a VM without network has no device, and no pasta" {
  knaller start none --detach --memory 256 --network none
  run knaller logs none
  [[ $output == *"knaller: ready"* ]]
  local monitor
  monitor=$(knaller inspect none --json | jq .monitor_pid)
  [ "$(pgrep --parent "$monitor" | wc -l)" -eq 1 ]
  # It is entered all the same, by a device that it does not see.
  [ "$(knaller exec none -- sh -c 'hostname; ls /sys/class/net')" = $'none\nlo' ]
  [ "$(knaller ssh none -- hostname)" = none ]
  echo file > "$BATS_TEST_TMPDIR/file"
  knaller cp "$BATS_TEST_TMPDIR/file" none:/tmp/file
  [ "$(knaller cp none:/tmp/file -)" = file ]
  knaller rm -f none
}

@test "on a host without any route the VM starts, is entered, and is told to be offline" {
  run --separate-stderr unshare --map-root-user --net sh -euc '
    ip link set lo up
    knaller start offline --detach --memory 256
    knaller exec offline -- echo "entered $(hostname)"
    knaller rm -f offline'
  echo "$output"
  echo "$stderr"
  [ "$status" -eq 0 ]
  [[ $output == *"entered"* ]]
  [[ $stderr == *"offline"* ]]
}
