# What a VM may take of its host: kept over stops, snapshots, clones and rollbacks, changed while it runs, and refused where nobody can
# keep it. The effect on real guests is measured in tests/e2e/limits.bats.
# shellcheck disable=SC2154 # bats' run sets them
load common

setup() { system_setup; }
teardown() { system_teardown; }

limits_of() { knaller inspect "$1" --json | jq -c ".limits | $2"; }

# Control groups with all that a VM's needs, as this user, from here.
need_groups() {
  [[ $(knaller doctor --json | jq -r '.checks[] | select(.name == "cgroup") | .result') == ok ]] ||
    skip "no control groups of one's own here"
}
need_no_groups() {
  knaller doctor --json | jq -e '.checks[] | select(.name == "cgroup") | .detail | contains("without limits")' > /dev/null ||
    skip "there are control groups here"
}

group_of() { knaller inspect "$1" --json | jq -r .control_group; }

# What the engine keeps its first drive to: bandwidth and operations; null where there is no limit.
engine_says() {
  curl --silent --unix-socket "$KNALLER_HOME/vms/$1/jail/api.sock" http://engine/vm/config |
    jq -c '.drives[0].rate_limiter | [.bandwidth, .ops] | map(if .size == 0 then null else . end)'
}

@test "limits are told to the engine, and stay over a stop, a snapshot, a clone and a rollback" {
  k_exits 0 start -d web --disk-bandwidth 20M:30M --disk-iops 500
  expected='[[31457280,1500],[500,1000]]'
  told() { engine_says "$1" | jq -c '[.[] | [.size, .refill_time]]'; }
  [[ $(told web) == "$expected" ]] || { engine_says web; false; }
  rates='[.disk_bandwidth.per_second, .disk_bandwidth.burst, .disk_operations.per_second]'
  same='[20971520,31457280,500]'
  [[ $(limits_of web "$rates") == "$same" ]]
  k_exits 0 stop web
  k_exits 0 start -d web
  [[ $(limits_of web "$rates") == "$same" ]]
  [[ $(told web) == "$expected" ]]
  k_exits 0 snapshot create web
  id=$output
  k_exits 0 start -d clone --from-snapshot "$id"
  [[ $(limits_of clone "$rates") == "$same" ]]
  k_exits 0 set web --disk-bandwidth none
  k_exits 0 rollback web "$id"
  [[ $(limits_of web "$rates") == '[null,null,500]' ]]
  [[ $(engine_says web | jq -c '.[0]') == null ]]
}

@test "all limits and what a guest may reach stay over a stop, a snapshot, a clone, a rollback and a boot of the disk" {
  with_network
  k_exits 0 start -d web --no-wait --cpus 0.5 --cpu-weight 50 --memory-max 900M --pids 300 --best-effort \
    --disk-bandwidth 20M:30M --disk-iops 500:900 --network-bandwidth 10M:15M \
    --egress none --allow dns --allow 10.0.0.5:5432 --deny 10.0.0.6:53/udp
  all_of() { knaller inspect "$1" | jq -cS '[.limits, .egress]'; }
  same=$(all_of web)
  # Nothing is left out but what takes a control group's folder, or the other's place.
  [[ $(jq -c '.[0] | map_values(select(. == null or . == false)) | keys' <<< "$same") == '["any_memory","slice"]' ]] || { echo "$same"; false; }
  [[ $(jq -c '.[1] | [.mode, (.allow | length), (.deny | length)]' <<< "$same") == '["none",2,1]' ]]
  is_same() { [[ $(all_of "$1") == "$same" ]] || { all_of "$1"; echo "$same"; return 1; }; }
  k_exits 0 stop --force web
  is_same web
  k_exits 0 start -d web --no-wait
  is_same web
  k_exits 0 snapshot create web
  id=$output
  k_exits 0 start -d clone --no-wait --from-snapshot "$id"
  is_same clone
  k_exits 0 start -d booted --no-wait --from-snapshot "$id" --disk-only
  is_same booted
  k_exits 0 rollback clone --no-wait --force "$id"
  is_same clone
  k_exits 0 rollback web --no-wait "$id"
  is_same web
  k_exits 0 restart --no-wait --timeout 0 web
  is_same web
  # A rollback keeps the VM's own.
  k_exits 0 set web --disk-iops none --allow none
  same=$(all_of web)
  k_exits 0 rollback web --no-wait "$id"
  is_same web
}

@test "a clone's own options hold over its snapshot's" {
  k_exits 0 start -d web --disk-bandwidth 20M
  k_exits 0 snapshot create web
  k_exits 0 start -d clone --from-snapshot "$output" --disk-bandwidth none --disk-iops 300
  [[ $(limits_of clone '[.disk_bandwidth, .disk_operations.per_second]') == '[null,300]' ]]
  [[ $(engine_says clone | jq -c '[.[0], .[1].size]') == '[null,300]' ]] || { engine_says clone; false; }
}

@test "set changes a VM that runs at once, one that is stopped at its next start, and none lifts" {
  k_exits 0 start -d web
  k_exits 0 set web --disk-bandwidth 5M --disk-iops 100
  [[ $(engine_says web | jq -c 'map(.size)') == '[5242880,100]' ]]
  k_exits 0 set web --disk-iops none
  [[ $(engine_says web | jq -c '[.[0].size, .[1]]') == '[5242880,null]' ]]
  k_exits 0 stop web
  k_exits 0 set web --disk-bandwidth 7M
  k_exits 0 start -d web
  [[ $(engine_says web | jq -c '.[0].size') == 7340032 ]]
  [[ $(limits_of web '[.disk_bandwidth.per_second, .disk_operations]') == '[7340032,null]' ]]
}

@test "a guest that reboots has the limits that were set while it ran" {
  k_exits 0 start -d web
  k_exits 0 set web --disk-bandwidth 5M
  before=$(knaller inspect web --json | jq .engine_pid)
  curl --silent --unix-socket "$KNALLER_HOME/vms/web/jail/api.sock" -X PUT http://engine/actions \
    -d '{"action_type":"SendCtrlAltDel"}'
  again() { local now; now=$(knaller inspect web --json | jq .engine_pid); [[ $now != "$before" && $now != null ]]; }
  within 5000 again
  limited() { [[ $(engine_says web | jq -c '.[0].size') == 5242880 ]]; }
  within 5000 limited
}

@test "a set that the engine refuses changes nothing" {
  KNALLER_ENGINE=$(engine_with '{"rules": [{"method": "PATCH", "path": "/drives/rootfs", "status": 400, "body": "no"}]}')
  export KNALLER_ENGINE
  k_exits 0 start -d web --disk-bandwidth 20M
  k set web --disk-bandwidth 5M
  [[ $status -ne 0 ]]
  [[ $(limits_of web .disk_bandwidth.per_second) == 20971520 ]]
}

@test "what is no limit is refused, and says what would be" {
  k_exits 0 start -d web
  for bad in '--disk-bandwidth lots' '--disk-bandwidth 20M:1M' '--disk-iops 1.5' '--pids 3' '--cpu-weight 0.5' '--cpus 3' \
    '--memory-max 1K' '--network-bandwidth -1'; do
    # shellcheck disable=SC2086 # two words
    k_exits 2 set web $bad
  done
  k_exits 2 start -d x --cgroup-slice /etc
  k_exits 2 start -d x --cgroup-slice ../x
  k_exits 2 start -d x --network none --network-bandwidth 1M
  [[ $(limits_of web '[.[] | select(. != null and . != false)]') == '[]' ]]
}

@test "without control groups what needs them is refused with what to do, and nothing else is" {
  need_no_groups
  for flag in '--cpus 0.5' '--pids 100' '--cpu-weight 50' '--memory-max 1G' '--cgroup-slice ci'; do
    # shellcheck disable=SC2086 # two words
    k_exits 6 start -d x $flag
    contains "$stderr" "${flag% *}"
    contains "$stderr" "--best-effort"
  done
  nothing_left
  k_exits 0 start -d plain --disk-bandwidth 20M
  lacks "$stderr" "limit"
  k_exits 0 start -d web --cpus 0.5 --pids 100 --best-effort
  contains "$stderr" "started without --cpus, --pids"
  [[ $(limits_of web '[.milli_cpus, .processes]') == '[500,100]' ]]
  [[ $(knaller inspect web --json | jq -c '[.control_group, .usage, .vcpus]') == '[null,null,1]' ]]
  k_exits 6 set plain --cpus 0.5
  contains "$stderr" "systemd-run"
  [[ $(limits_of plain .milli_cpus) == null ]]
}

@test "an imported snapshot's limits restrict, and neither keep it from starting nor choose its group" {
  k_exits 0 start -d web --cpus 0.5 --pids 100 --disk-bandwidth 20M --best-effort
  k_exits 0 snapshot create web
  k_exits 0 snapshot export "$output" "$BATS_TEST_TMPDIR/one"
  id=$(knaller snapshot ls -q)
  k_exits 0 snapshot rm "$id"
  k_exits 0 snapshot import "$BATS_TEST_TMPDIR/one"
  k_exits 0 start -d clone --from-snapshot "$output"
  [[ $(limits_of clone '[.milli_cpus, .processes, .disk_bandwidth.per_second, .slice]') == '[500,null,20971520,null]' ]]
}

@test "a VM has a group of its own with its engine in it, not its monitor, and the group goes with the VM" {
  need_groups
  k_exits 0 start -d web --cpus 0.5 --pids 200 --cpu-weight 50 --memory-max 700M
  group=$(group_of web)
  [[ -d $group ]]
  [[ $(cat "$group"/{cpu.max,cpu.weight,pids.max,memory.max}) == $'50000 100000\n50\n200\n734003200' ]]
  grep -qx "$(knaller inspect web --json | jq .engine_pid)" "$group/cgroup.procs"
  run ! grep -qx "$(knaller inspect web --json | jq .monitor_pid)" "$group/cgroup.procs"
  [[ $(pgrep --parent "$(knaller inspect web --json | jq .monitor_pid)" | sort) == $(sort "$group/cgroup.procs") ]]
  [[ $(knaller inspect web --json | jq '.usage.memory_bytes > 0 and .usage.processes >= 1') == true ]]
  k_exits 0 set web --cpus 1 --pids none
  [[ $(cat "$group"/{cpu.max,pids.max}) == $'max 100000\n640' ]]
  k_exits 0 stop web
  [[ ! -e $group ]]
  k_exits 0 start -d web
  group=$(group_of web)
  kill -KILL "$(knaller inspect web --json | jq .monitor_pid)"
  is_crashed() { [[ $(knaller inspect web --json | jq -r .state) == crashed ]]; }
  within 2000 is_crashed
  # Nobody was left to remove it; the next VM's does.
  k_exits 0 start -d other
  [[ ! -e $group ]]
}

@test "VMs without options have limits of memory and processes, too" {
  need_groups
  k_exits 0 start -d web --mem 128
  group=$(group_of web)
  [[ $(cat "$group/pids.max") == 640 && $(cat "$group/memory.oom.group") == 1 ]]
  [[ $(cat "$group/memory.max") -gt $((128 << 20)) && $(cat "$group/memory.swap.max") -eq $((128 << 20)) ]]
  k_exits 0 set web --memory-max none
  [[ $(cat "$group/memory.max") == max ]]
}

@test "a VM that uses more memory than its limit has crashed, and ls says why" {
  need_groups
  k_exits 0 start -d web --mem 512
  k_exits 0 set web --memory-max 8M || true
  hungry() { [[ $(knaller ls -a --format '{{.Status}} {{.Reason}}') == *"it used more memory than its limit"* ]]; }
  # The engine's memory is written to from outside, as a guest would.
  engine=$(knaller inspect web --json | jq .engine_pid)
  python3 - "$engine" << 'PY' || true
import sys
pid = sys.argv[1]
maps = [line.split() for line in open(f"/proc/{pid}/maps")]
begin, end = max(((int(a, 16), int(b, 16)) for a, b in (m[0].split("-") for m in maps if m[1].startswith("rw"))), key=lambda r: r[1] - r[0])
with open(f"/proc/{pid}/mem", "wb", buffering=0) as memory:
    for at in range(begin, end, 1 << 20):
        memory.seek(at)
        memory.write(b"x" * (1 << 20))
PY
  within 5000 hungry
}

@test "a VM goes into the slice that was named, and its snapshot's clone, too" {
  need_groups
  k_exits 0 start -d web --cgroup-slice knaller-test-slice/one
  [[ $(group_of web) == */knaller-test-slice/one/knaller-web-* ]]
  k_exits 0 snapshot create web
  k_exits 0 start -d clone --from-snapshot "$output"
  [[ $(group_of clone) == */knaller-test-slice/one/knaller-clone-* ]]
  folder=$(dirname "$(group_of web)")
  k_exits 0 rm -f web clone
  rmdir "$folder" "$(dirname "$folder")"
}

@test "on a full disk a VM ends with its reason, and its log with its last words" {
  on_small_disk '
    knaller start -d web --mem 64
    cat /dev/zero > "$1/filler" 2> /dev/null || true
    for ((i = 0; i < 1000; ++i)); do echo x > "$1/filler-$i" 2> /dev/null || break; done
    engine=$(knaller inspect web --json | jq .engine_pid)
    kill -KILL "$engine"
    for ((i = 0; i < 100; ++i)); do [[ $(knaller ls -a --format "{{.Status}}") != running ]] || { sleep 0.05; continue; }; break; done
    reason=$(knaller ls -a --format "{{.Status}} {{.Reason}}")
    [[ $reason == *"was killed by signal 9"* ]] || { echo "$reason"; exit 1; }
    [[ -s $1/vms/web/exit.json && ! -e $1/vms/web/exit.reserve ]]
    tail -n 1 "$1/vms/web/events.jsonl" | grep -q crashed
    knaller rm web'
}
