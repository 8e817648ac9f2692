# The agent in a real guest: what it survives, who reaches it, and what becomes of its sessions.
# What runs in the background has no descriptor 3: bats waits for whoever has it, and a test that fails would hang.
# shellcheck disable=SC2154 # bats' run sets them
# shellcheck disable=SC2016 # meant for another shell
bats_require_minimum_version 1.5.0
load ../lib/processes

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home" XDG_CONFIG_HOME="$BATS_FILE_TMPDIR/config"
  knaller start a --detach --mem 128 --disk 64M 2> /dev/null
}

teardown_file() {
  knaller rm -f --all > /dev/null 2>&1 || true
}

setup() {
  cd "$BATS_TEST_TMPDIR"
}

in_guest() {
  knaller exec a -- sh -c "$1"
}

# 1 to 4000, a few at a time: what is missing or comes twice shows.
count() {
  in_guest 'i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo $i; [ $((i % 50)) -ne 0 ] || usleep 20000; done'
}

@test "two hundred commands at once are all answered, each its own" {
  local i pids=()
  for ((i = 0; i < 200; ++i)); do
    knaller exec a -- echo "$i" > "$i" &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  for ((i = 0; i < 200; ++i)); do [ "$(< "$i")" = "$i" ]; done
}

@test "a command goes on, byte for byte, over snapshots and pauses of its VM" {
  count > counted & counting=$!
  sleep 0.3
  id=$(knaller snapshot create a --no-sync)
  knaller pause a
  sleep 2
  knaller resume a
  knaller snapshot create a --no-sync > other
  wait "$counting"
  seq 4000 | cmp - counted
  knaller snapshot rm "$id" "$(< other)"
}

@test "in a clone the programs of the source's commands are ended, and the source's go on" {
  knaller exec a -- sleep 1000 3>&- & kept=$!
  within 5000 in_guest 'pidof sleep'
  id=$(knaller snapshot create a --no-sync)
  knaller start clone --detach --from-snapshot "$id"
  no_sleep_in_clone() { ! knaller exec clone -- pidof sleep; }
  within 5000 no_sleep_in_clone
  in_guest 'pidof sleep'
  kill -0 "$kept"
  kill -TERM "$kept"
  wait "$kept" || true
  knaller rm -f clone
  knaller snapshot rm "$id"
}

@test "after a rollback, the programs that commands had begun by then are ended" {
  knaller exec a -- sleep 2222 2> /dev/null 3>&- & client=$!
  within 5000 in_guest 'ps | grep -q "[s]leep 2222"'
  id=$(knaller snapshot create a --no-sync)
  knaller rollback a "$id" --no-safety
  within 2000 gone "$client"
  status=0
  wait "$client" || status=$?
  [ "$status" -eq 125 ]
  ended_in_guest() { ! in_guest 'ps | grep "[s]leep 2222"'; }
  within 10000 ended_in_guest
  knaller snapshot rm "$id"
}

@test "a command of an engine that was killed ends with what it had said" {
  knaller start killed --detach --mem 128 --disk 64M 2> /dev/null
  coproc COMMAND { exec knaller exec killed -- sh -c 'echo up; sleep 1000' 2> said 3>&-; }
  read -r -t 30 line <&"${COMMAND[0]}"
  [ "$line" = up ]
  client=$COMMAND_PID
  look_at killed
  kill -KILL "$engine"
  within 2000 gone "$client"
  grep "the VM has ended" said
  knaller rm -f killed
}

@test "a command whose client is killed is ended, with what it started" {
  knaller exec a -- sh -c 'sleep 4711 & sleep 4711; :' 3>&- & client=$!
  within 5000 in_guest 'ps | grep -q "[s]leep 4711"'
  kill -KILL "$client"
  ended_in_guest() { ! in_guest 'ps | grep "[s]leep 4711"'; }
  within 10000 ended_in_guest
}

@test "nothing in the guest shows the device, and no user of it reaches the agent" {
  [ "$(in_guest 'ls /sys/class/net')" = $'eth0\nlo' ]
  [ "$(in_guest 'grep -c . /proc/net/dev')" -eq 4 ]
  for user in root nobody; do
    run knaller exec --user "$user" a -- nc -w 2 169.254.253.2 1
    [ "$status" -ne 0 ]
    run knaller exec --user "$user" a -- nc -w 2 10.255.254.1 1
    [ "$status" -ne 0 ]
  done
}

@test "the agent outlives a guest that takes its network down, fills its disk, and runs out of memory" {
  in_guest 'ip link set eth0 down; ip addr flush dev eth0'
  [ "$(knaller exec a -- echo here)" = here ]
  in_guest 'dd if=/dev/zero of=/filler bs=1M 2> /dev/null; :'
  [ "$(knaller exec a -- echo here)" = here ]
  in_guest 'rm /filler'
  # All of the memory and more: the kernel ends whoever takes it.
  run timeout 120 knaller exec a -- sh -c 'tail /dev/zero'
  [ "$status" -ne 0 ]
  [ "$(knaller exec a -- echo here)" = here ]
}

@test "an agent that is killed comes back" {
  serving() { in_guest 'ps | grep "[@]knaller-agent" | tail -n 1 | { read -r pid rest; echo "$pid"; }'; }
  old=$(serving)
  run timeout 20 knaller exec a -- kill -KILL "$old"
  within 10000 eval '[[ $(timeout 5 knaller exec a -- echo here) == here ]]'
  [ "$(serving)" != "$old" ]
}

@test "a guest whose every process is killed is entered again" {
  for signal in KILL TERM; do
    knaller exec a -- sh -c "kill -$signal -1" || true
    within 10000 eval '[[ $(timeout 5 knaller exec a -- echo here) == here ]]'
  done
  within 10000 knaller ssh a -- true
}

@test "a command runs as whom, where and with what it is told" {
  [ "$(knaller exec --user nobody a -- id -un)" = nobody ]
  [ "$(knaller exec --user 1234 a -- id -u)" = 1234 ]
  run --separate-stderr knaller exec --user missing a -- true
  [ "$status" -eq 125 ]
  [[ $stderr == *"there is no user 'missing'"* ]]
}

# What runs by the agent is asked to end as everything else is, has its time, and is heard to its last word.
@test "a VM is stopped as soon as its last program has ended" {
  knaller start ending --detach --mem 128 --disk 64M 2> /dev/null
  coproc COMMAND { exec knaller exec ending -- sh -c 'trap "sleep 1; echo saved; exit 3" TERM; echo up; while :; do sleep 0.1; done' 3>&-; }
  read -r -t 30 line <&"${COMMAND[0]}"
  exec 4<&"${COMMAND[0]}"
  client=$COMMAND_PID
  began=$(now_ms)
  knaller stop ending
  took=$(($(now_ms) - began))
  status=0
  wait "$client" || status=$?
  [ "$(cat <&4)" = saved ]
  [ "$status" -eq 3 ]
  ((took >= 1000 && took < 3000 * ${KNALLER_PATIENCE:-1})) || { echo "it took $took ms"; false; }
  knaller rm -f ending
}

@test "a VM without a network is entered by ssh, and its ports are reached" {
  knaller start alone --detach --mem 128 --disk 64M --network none 2> /dev/null
  [ "$(knaller ssh alone -- hostname)" = alone ]
  knaller ssh-config alone > config
  scp -q -F config config alone:/tmp/config
  knaller exec alone -- cat /tmp/config | cmp - config
  knaller exec alone -- sh -c 'mkdir /srv; echo page > /srv/page; httpd -p 127.0.0.1:80 -h /srv'
  printf 'GET /page HTTP/1.0\r\n\r\n' | knaller connect alone 80 | grep -x page
  run --separate-stderr knaller connect alone 81
  [[ $status -eq 1 && $stderr == *"connect to port 81 in the guest: Connection refused"* ]]
  run knaller connect alone 0
  [ "$status" -eq 2 ]

  knaller forward alone 0:80 --json > listening 3>&- & forward=$!
  within 5000 grep -q host listening
  port=$(jq .host listening)
  local i pids=()
  for ((i = 0; i < 20; ++i)); do
    curl -fsS --max-time 20 "http://127.0.0.1:$port/page" > "page$i" 3>&- &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  for ((i = 0; i < 20; ++i)); do [ "$(< "page$i")" = page ]; done
  run knaller forward alone "$port:80"
  [ "$status" -eq 8 ]
  kill -TERM "$forward"
  status=0
  wait "$forward" || status=$?
  [ "$status" -eq 143 ]
  knaller rm -f alone
}
