# Verbs on VMs, with the fake engine: names, output, exit codes. What happens inside VMs is tested with real ones (tests/e2e).
load common

setup() {
  common_setup
  use_fake_engine
}

teardown() {
  remove_all
}

@test "start -d prints the name, ls shows the VM, stop keeps it, start starts it again, rm removes it" {
  k_exits 0 start -d web --mem 256
  [[ $output == web ]]
  contains "$stderr" "running"
  k_exits 0 ls
  contains "$output" "NAME"
  [[ $output =~ web\ +running ]]
  contains "$output" "256 MiB"
  k_exits 0 stop web
  [[ $output == web && -z $stderr ]]
  k_exits 0 stop web
  k_exits 0 ls
  lacks "$output" "web"
  k_exits 0 ls -a
  [[ $output =~ web\ +stopped ]]
  k_exits 0 start -d web
  k_exits 0 ls -q
  [[ $output == web ]]
  k_exits 4 rm web
  contains "$stderr" "hint:"
  k_exits 0 rm -f web
  [[ $output == web ]]
  k_exits 0 ls -aq
  [[ -z $output ]]
}

# Mode, what is allowed and what is denied.
egress_of() { knaller inspect "$1" | jq -c '.egress | [.mode, [.allow[].to], [.deny[].to]]'; }

@test "what is not given of where a guest may connect to stays, of a VM and of a clone" {
  k_exits 0 start -d web --network rootless --no-wait --egress none
  k_exits 0 set web --deny 198.51.0.0/16
  [[ $(egress_of web) == '["none",[],["198.51.0.0/16"]]' ]] || { egress_of web; false; }
  lacks "$stderr" "may still reach"
  k_exits 0 set web --allow dns --allow 10.0.0.5
  k_exits 0 set web --allow 10.0.0.6
  [[ $(egress_of web) == '["none",["10.0.0.6"],["198.51.0.0/16"]]' ]]
  k_exits 0 set web --egress internet
  [[ $(egress_of web) == '["internet",["10.0.0.6"],["198.51.0.0/16"]]' ]]
  # Who closes it is told what stays open.
  k_exits 0 set web --egress none
  contains "$stderr" "may still reach what it was allowed before: 10.0.0.6"
  k_exits 0 snapshot create web
  k_exits 0 start -d one --no-wait --from-snapshot "$output" --deny none --allow dns
  [[ $(egress_of one) == '["none",["dns"],[]]' ]]
  id=$(knaller snapshot ls -q)
  k_exits 0 start -d two --no-wait --from-snapshot "$id" --allow none
  [[ $(egress_of two) == '["none",[],["198.51.0.0/16"]]' ]]
  k_exits 0 set web --allow none --deny none
  [[ $(egress_of web) == '["none",[],[]]' ]]
  k_exits 2 set web --deny none --deny 198.51.0.0/16
  contains "$stderr" "--deny none"
  [[ $(egress_of web) == '["none",[],[]]' ]]
}

@test "where a guest may connect to is kept, shown and changed, of a stopped VM too" {
  k_exits 0 start -d web --network rootless --no-wait --egress none --allow dns --allow 10.0.0.5:5432 --deny 10.0.0.6:53/udp
  k_exits 0 inspect web
  [[ $(jq -c .egress <<<"$output") == '{"allow":[{"port":null,"proto":null,"to":"dns"},{"port":5432,"proto":null,"to":"10.0.0.5"}],"deny":[{"port":53,"proto":"udp","to":"10.0.0.6"}],"mode":"none"}' ]]
  k_exits 0 set web --egress internet --allow none --deny none
  k_exits 0 ls --json
  [[ $(jq -c '.vms[0].egress' <<<"$output") == '{"allow":[],"deny":[],"mode":"internet"}' ]]
  k_exits 0 stop web
  k_exits 0 set web --deny 198.51.0.0/16
  k_exits 0 start -d web --no-wait
  k_exits 0 inspect web
  [[ $(jq -r '.egress.deny[0].to' <<<"$output") == 198.51.0.0/16 ]]
  k_exits 3 set nosuch --egress none
  k_exits 2 set web
  contains "$stderr" "nothing to change"
  k_exits 2 set web --egress some
  contains "$stderr" "internet, none"
  k_exits 2 set web --allow 10.1.2.3/8
  contains "$stderr" "--allow" && contains "$stderr" "10.0.0.0/8 is the network"
  k_exits 2 set web --allow 127.0.0.1:80
  k_exits 5 start -d web --network rootless --egress none
  k_exits 2 start -d other --network none --egress none
  k_exits 0 start -d other
  k_exits 4 set other --egress none
  k_exits 0 rm -f web
}

@test "the disk of a stopped VM grows, and only grows" {
  k_exits 0 start -d web
  k_exits 4 set web --disk 16G
  contains "$stderr" "knaller stop web"
  k_exits 0 stop web
  local disk=$KNALLER_HOME/vms/web/jail/rootfs.ext4 before
  before=$(stat --format %s "$disk")
  k_exits 2 set web --disk 1
  contains "$stderr" "only be made larger"
  [[ $(stat --format %s "$disk") == "$before" ]]
  k_exits 2 set web --disk much
  contains "$stderr" "--disk"
}

@test "creation options for a VM that exists are an error with exit code 5" {
  k_exits 0 start -d web
  k_exits 5 start -d web --mem 512
  contains "$stderr" "web"
  k_exits 4 start -d web
  k_exits 0 stop web
  k_exits 5 start -d web --mem 512
  k_exits 125 run web -- true
}

@test "a name is made up, and start prints just that with -q" {
  k_exits 0 start -dq
  [[ $output =~ ^[a-z0-9][a-z0-9_.-]*$ && -z $stderr ]]
  name=$output
  k_exits 0 ls -q
  [[ $output == "$name" ]]
}

@test "the Go program's command lines work" {
  k_exits 0 start -name web -cpus 1 -mem 128 -detach -firecracker "$KNALLER_ENGINE" -disk-iops 0
  k_exits 0 list
  contains "$output" "web"
  k_exits 0 pause -name web
  k_exits 0 resume --name web
  k_exits 0 snapshot --name web
  id=$output
  [[ $id =~ ^snap_[0-9a-f]{8}$ ]]
  k_exits 0 snapshot ls
  contains "$output" "$id"
  k_exits 0 start --name web2 --from-snapshot "$id" --detach
  k_exits 0 snapshot delete --id "$id"
  k_exits 0 stop --name web
  k_exits 0 rm --name web
}

@test "a verb on several names does each, and the exit code is that of the first failure" {
  k_exits 0 start -d a b
  k_exits 3 stop a nosuch b
  [[ $output == $'a\nb' ]]
  contains "$stderr" "nosuch"
  k_exits 0 ls -q
  [[ -z $output ]]
  k_exits 3 rm nosuch --json a
  [[ $(jq -r '.results | map(.name) | join(",")' <<< "$output") == nosuch,a ]]
  [[ $(jq -r '.results[0].error.code' <<< "$output") == not_found ]]
  [[ $(jq -r '.results[1].result.removed' <<< "$output") == true ]]
  [[ $(jq -rs 'length, .[0].error.code' <<< "$stderr") == $'1\nnot_found' ]]
}

@test "--all takes those that the verb is for" {
  k_exits 0 start -d a b c
  k_exits 0 stop c
  k_exits 0 pause --all
  [[ $output == $'a\nb' ]]
  k_exits 0 ls --format '{{.Name}} {{.Status}}'
  [[ $output == $'a paused\nb paused' ]]
  k_exits 0 resume a
  k_exits 0 stop --all
  [[ $output == $'a\nb' ]]
  k_exits 0 rm --all
  [[ $output == $'a\nb\nc' ]]
  k_exits 0 stop --all
  [[ -z $output ]]
}

@test "a mistyped name suggests the nearest" {
  k_exits 0 start -d database
  for verb in stop rm pause logs inspect ssh 'snapshot create'; do
    read -ra words <<< "$verb"
    k_exits 3 "${words[@]}" databse
    contains "$stderr" "'database'"
  done
  k_exits 125 exec databse -- true
  contains "$stderr" "'database'"
}

@test "--json is one document with schema 1" {
  k_exits 0 start -d web --json --timings
  [[ -z $stderr ]]
  [[ $(jq -r '.schema, .vm.name, .vm.state' <<< "$output") == $'1\nweb\nrunning' ]]
  [[ $(jq '.timings | length' <<< "$output") -gt 0 ]]
  k_exits 0 ls --json
  [[ $(jq -r '.schema, (.vms | length), .vms[0].memory_mib' <<< "$output") == $'1\n1\n1024' ]]
  k_exits 0 inspect web
  [[ $(jq -r '.schema, .name, .vcpus' <<< "$output") == $'1\nweb\n1' ]]
  k_exits 0 stop web --json
  [[ $(jq -r '.results[0].result.state' <<< "$output") == stopped ]]
  k_exits 0 start -d b --json
  k_exits 3 inspect web nosuch b
  [[ $(jq -r '.results | map(.name) | join(",")' <<< "$output") == web,nosuch,b ]]
}

@test "inspect and ls have every member of the documented schema" {
  k_exits 0 start -d web
  k_exits 0 snapshot create web
  documented() {
    sed -n "/^## $1\$/,/^## /p" "$KNALLER_SOURCE/docs/json.md" | awk -F'|' '/^\| `/ {print $2}' | grep -o '`[a-z_]*`' | tr -d '`'
  }
  k_exits 0 ls --json
  vms=$(jq '.vms[0]' <<< "$output")
  members=$(documented VM)
  [[ $(wc -w <<< "$members") -gt 15 ]]
  for member in $members; do
    [[ $(jq "has(\"$member\")" <<< "$vms") == true ]] || { echo "VM has no $member"; false; }
  done
  [[ $(jq length <<< "$vms") == $(wc -w <<< "$members") ]]
  k_exits 0 snapshot ls --json
  snapshot=$(jq '.snapshots[0]' <<< "$output")
  members=$(documented SNAPSHOT)
  for member in $members; do
    [[ $(jq "has(\"$member\")" <<< "$snapshot") == true ]] || { echo "SNAPSHOT has no $member"; false; }
  done
  [[ $(jq length <<< "$snapshot") == $(wc -w <<< "$members") ]]
}

@test "--format prints what it is asked for" {
  k_exits 0 start -d web
  k_exits 0 ls --format '{{.Name}}\t{{.Status}}'
  [[ $output == $'web\trunning' ]]
  k_exits 0 ls --format 'table {{.Name}}\t{{.Image}}'
  [[ ${lines[0]} =~ ^NAME\ +IMAGE$ && ${lines[1]} =~ ^web\ +fake$ ]]
  k_exits 0 ls --format '{{json .}}'
  [[ $(jq -r .name <<< "$output") == web ]]
  k_exits 2 ls --format '{{.Nmae}}'
  contains "$stderr" "{{.Name}}"
}

@test "logs shows the console of a VM that runs and of one that has ended, with how it ended" {
  k_exits 0 start -d web
  k_exits 0 logs web
  contains "$output" "Linux version"
  k_exits 0 logs web -n 1
  [[ ${#lines[@]} -eq 1 ]]
  contains "$output" "ready"
  k_exits 0 logs web -n 0
  [[ -z $output ]]
  k_exits 0 logs web -n 99
  contains "$output" "Linux version"
  k_exits 0 logs web --engine
  contains "$output" "Firecracker"
  knaller stop web
  k_exits 0 logs web
  contains "$output" "Linux version"
  contains "$stderr" "stopped"
}

@test "logs begins with what was rotated away since the VM's start, not with the run before" {
  k_exits 0 start -d web
  older=$KNALLER_HOME/vms/web/console.log.1
  printf 'first\nsecond\n' > "$older"
  k_exits 0 logs web
  [[ ${lines[0]} == first && ${lines[1]} == second ]]
  contains "$output" "Linux version"
  current=$(wc -l < "$KNALLER_HOME/vms/web/console.log")
  k_exits 0 logs web -n $((current + 1))
  [[ ${lines[0]} == second ]]
  k_exits 0 logs web -n 1
  [[ ${#lines[@]} -eq 1 ]]
  knaller logs -f web > "$BATS_TEST_TMPDIR/files/log" 3>&- &
  follower=$!
  knaller stop web
  wait "$follower"
  [[ $(head -n 1 "$BATS_TEST_TMPDIR/files/log") == first ]]
  k_exits 0 start -d web
  k_exits 0 logs web
  lacks "$output" second
  [[ $(grep -c "Linux version" <<< "$output") -eq 1 ]]
}

@test "logs -f ends with the VM" {
  k_exits 0 start -d web
  knaller logs -f web > "$BATS_TEST_TMPDIR/files/log" &
  follower=$!
  knaller stop web
  wait "$follower"
  grep -q "Linux version" "$BATS_TEST_TMPDIR/files/log"
}

@test "logs -f follows where no inotify instance is left" {
  k_exits 0 start -d web
  unshare --user --map-root-user sh -c '
    echo 0 > /proc/sys/user/max_inotify_instances && exec knaller logs -f web' > "$BATS_TEST_TMPDIR/files/log" 3>&- &
  follower=$!
  knaller stop web
  wait "$follower"
  grep -q "Linux version" "$BATS_TEST_TMPDIR/files/log"
}

@test "foreground: Ctrl-C stops the VM, which is kept; the console is passed through" {
  python3 "$KNALLER_SOURCE/tests/cli/foreground.py" one-signal
  k_exits 0 ls -a --format '{{.Name}} {{.Status}}'
  [[ $output == "web stopped" ]]
}

@test "foreground: the second Ctrl-C ends a guest that does not listen" {
  python3 "$KNALLER_SOURCE/tests/cli/foreground.py" stuck-guest
  k_exits 0 ls -a --format '{{.Name}} {{.Status}}'
  [[ $output == "web stopped" ]]
}

@test "foreground: --rm removes the VM with its end" {
  python3 "$KNALLER_SOURCE/tests/cli/foreground.py" remove
  k_exits 0 ls -aq
  [[ -z $output ]]
}

@test "a command that is killed leaves its VM running, and with --rm takes it along" {
  python3 "$KNALLER_SOURCE/tests/cli/foreground.py" killed
  k_exits 0 ls --format '{{.Name}} {{.Status}}'
  [[ $output == "web running" ]]
  k_exits 0 rm -f web
  python3 "$KNALLER_SOURCE/tests/cli/foreground.py" killed-and-removed
  k_exits 0 ls -aq
  [[ -z $output ]]
}

@test "ssh, exec and cp need a network: exit code 6" {
  k_exits 0 start -d web
  k_exits 6 ssh web
  k_exits 6 ssh-config web
  k_exits 125 exec web -- true
  k_exits 6 cp web:/etc/passwd "$BATS_TEST_TMPDIR/files"
}

@test "names and ids are completed, broken VMs included" {
  k_exits 0 start -d web
  k_exits 0 snapshot create web --name before
  id=$output
  mkdir "$KNALLER_HOME/vms/ruin"
  echo '{' > "$KNALLER_HOME/vms/ruin/vm.json"
  k_exits 0 __complete -- stop ''
  contains "$output" "web"
  contains "$output" "ruin"
  k_exits 0 __complete -- snapshot rm ''
  contains "$output" "$id"
  contains "$output" "before"
  k_exits 0 __complete -- start --image ''
  contains "$output" "fake"
  k_exits 0 ls
  [[ $output =~ ruin\ +broken ]]
  contains "$output" "vm.json"
  k_exits 11 inspect ruin
  k_exits 0 rm -f ruin
}

@test "snapshots: create, inspect, rm; a name twice is exit code 5" {
  k_exits 0 start -d web
  k_exits 0 snapshot create web --name before -l stage=test --json
  [[ $(jq -r '.snapshot.name, .snapshot.labels.stage' <<< "$output") == $'before\ntest' ]]
  id=$(jq -r .snapshot.id <<< "$output")
  k_exits 5 snapshot create web --name before
  k_exits 0 snapshot inspect before
  [[ $(jq -r .id <<< "$output") == "$id" ]]
  k_exits 0 snapshot inspect "${id:0:9}"
  k_exits 0 start -d web2 --from-snapshot before
  k_exits 0 snapshot rm before
  k_exits 3 snapshot rm "$id"
  contains "$stderr" "$id"
}

@test "a damaged snapshot, one with another id inside, and a damaged image are exit code 11" {
  k_exits 0 start -d web
  k_exits 0 snapshot create web
  id=$output
  snapshot=$KNALLER_HOME/snapshots/$id
  chmod u+w "$snapshot/state"
  printf 'X' | dd of="$snapshot/state" bs=1 conv=notrunc status=none
  k_exits 11 start -d web2 --from-snapshot "$id"
  k_exits 0 snapshot create web
  id=$output
  metadata=$KNALLER_HOME/snapshots/$id/metadata.json
  chmod u+w "$metadata"
  sed -i "s/$id/snap_00000000/" "$metadata"
  k_exits 11 start -d web2 --from-snapshot "$id"
  chmod u+w "$KNALLER_HOME/images/fake/image.json"
  echo '{"format":' > "$KNALLER_HOME/images/fake/image.json"
  k_exits 11 start -d web2 --image fake
  k_exits 11 image inspect fake
  k_exits 0 image ls
  contains "$output" "broken"
  k_exits 0 ls -aq
  [[ $output == web ]]
}

@test "an image of one's own is imported again with --replace, and VMs of the earlier one go on" {
  k_exits 0 start -d web
  files=$BATS_TEST_TMPDIR/files
  k_exits 5 image import fake --kernel "$files/vmlinux" --rootfs "$files/rootfs.ext4"
  contains "$stderr" "--replace"
  truncate -s 16M "$files/rootfs.ext4"
  PATH=$PATH:/sbin:/usr/sbin resize2fs -f "$files/rootfs.ext4" 2> "$BATS_TEST_TMPDIR/messages"
  k_exits 0 image import fake --kernel "$files/vmlinux" --rootfs "$files/rootfs.ext4" --replace
  k_exits 0 start -d other
  [[ $(stat -c %s "$KNALLER_HOME"/vms/{web,other}/jail/rootfs.ext4) == $'8388608\n16777216' ]]
  k_exits 0 stop --force web
  k_exits 0 start -d web
}

@test "--best-effort is switched off again with --best-effort=false" {
  k_exits 0 start -d web --best-effort
  k_exits 0 inspect web
  [[ $(jq .limits.best_effort <<<"$output") == true ]]
  k_exits 0 set web --best-effort=false
  k_exits 0 inspect web
  [[ $(jq .limits.best_effort <<<"$output") == false ]]
}

@test "limits of a VM that exists are not for start to change, but 0 is none" {
  k_exits 0 start -d web
  k_exits 0 stop web
  for limit in --disk-bandwidth --disk-iops; do
    k_exits 5 start -d web "$limit" 100
  done
  k_exits 2 start -d web --network-bandwidth 100
  contains "$stderr" "without a network"
  k_exits 0 start -d web --disk-iops 0
}

@test "the Go program's kernel and root file system are used when both lie in the home, and said" {
  cp "$BATS_TEST_TMPDIR"/files/{vmlinux,rootfs.ext4} "$KNALLER_HOME"
  unset KNALLER_IMAGE
  k_exits 0 start -d web
  contains "$stderr" "using the kernel and root file system"
  k_exits 0 start -d other --kernel "$BATS_TEST_TMPDIR/files/vmlinux"
  k_exits 0 inspect other
  [[ $(jq -r .image <<< "$output") != fake ]]
  rm "$KNALLER_HOME/rootfs.ext4"
  k_exits 3 start -d third --kernel "$BATS_TEST_TMPDIR/files/vmlinux"
  contains "$stderr" "rootfs.ext4"
}

@test "doctor names what is missing and the command that mends it, without a home too" {
  mkdir "$BATS_TEST_TMPDIR/few"
  for program in apt-get mke2fs; do ln -s "$(PATH=$PATH:/sbin:/usr/sbin command -v "$program")" "$BATS_TEST_TMPDIR/few"; done
  run -1 env PATH="$KNALLER_BIN:$BATS_TEST_TMPDIR/few" knaller doctor
  contains "$output" "✗ pasta"
  contains "$output" "sudo apt install passt"
  contains "$output" "sudo apt install qemu-system-x86"
  KNALLER_HOME=/proc/nosuch k_exits 1 doctor
  contains "$output" "✗ home"
  contains "$output" "KNALLER_HOME"
  contains "$output" "user namespaces"
}

@test "doctor looks at the engine that was asked for" {
  printf '#!/bin/sh\necho "Firecracker v1.9.9"\n' > "$BATS_TEST_TMPDIR/other-firecracker"
  chmod +x "$BATS_TEST_TMPDIR/other-firecracker"
  KNALLER_ENGINE="$BATS_TEST_TMPDIR/other-firecracker" k doctor
  contains "$output" "firecracker 1.9.9 would be used: asked for"
  k_exits 2 doctor --engine bochs
}

@test "doctor prints one row a check, as JSON too, and exits 0 or 1" {
  k doctor
  [[ $status -eq 0 || $status -eq 1 ]]
  contains "$output" "KVM"
  contains "$output" "pasta"
  marked=$(grep -c -E '^(✓|✗|!) ' <<< "$output")
  for row in kernel KVM QEMU pasta /dev/net/tun 'user namespaces' cgroup lingering 'image build' home 'free space' reflink engine snapshots; do
    grep -q -E "^(✓|✗|!) $row " <<< "$output" || { echo "no row $row: $output"; false; }
  done
  before=$status
  k doctor --json
  [[ $status -eq $before ]]
  [[ $(jq -r '.schema, (.checks | length)' <<< "$output") == $'1\n'"$marked" ]]
  if [[ $status -eq 0 ]]; then
    [[ $(jq -r .ok <<< "$output") == true ]]
  else
    [[ $(jq -r '[.checks[] | select(.result == "failed" and .remedy == null)] | length' <<< "$output") == 0 ]]
  fi
}

@test "no escape sequences but on terminals, and none there with NO_COLOR" {
  k_exits 0 start -d web
  k doctor
  lacks "$output$stderr" $'\x1b'
  python3 "$KNALLER_SOURCE/tests/cli/foreground.py" no-color
}
