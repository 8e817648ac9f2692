# Names, labels and protection of snapshots, and what prune removes by them.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() {
  system_setup
  k_exits 0 start -d web --mem 64
}
teardown() { system_teardown; }

take() {
  k_exits 0 snapshot create "$@"
  id=$output
}

# What all entries take, each inode counted once.
taken() { du -s -c --block-size=1 "$KNALLER_HOME"/{vms,snapshots,images} | tail -n 1 | cut -f 1; }

# Running VMs, and the kernel's own accounting, change nothing meanwhile.
settle() {
  knaller stop --all > /dev/null
  sync -f "$KNALLER_HOME"
}

@test "a snapshot is protected until it is unprotected, from rm --force and prune, too" {
  take web --name clean
  k_exits 0 snapshot protect clean
  [[ $output == clean ]]
  k_exits 0 snapshot ls
  contains "$output" "protected"
  k_exits 4 snapshot rm clean
  contains "$stderr" "snapshot unprotect"
  k_exits 4 snapshot rm -f "$id"
  k_exits 0 snapshot prune --vm web
  [[ -z $output ]]
  k_exits 0 snapshot verify clean
  k_exits 0 start -d web2 --from-snapshot clean
  k_exits 0 snapshot unprotect clean
  k_exits 0 snapshot rm clean
  is web2 running
}

@test "labels are set, replaced and removed, at creation and later, and metadata stays as it was" {
  take web --label stage=ci --label 'note=a=b c'
  before=$(sha256sum "$KNALLER_HOME/snapshots/$id/metadata.json")
  k_exits 0 snapshot label "$id" stage=prod note- ticket=17 absent- --json
  [[ $(jq -c '.results[0].result.labels' <<< "$output") == '{"stage":"prod","ticket":"17"}' ]]
  k_exits 0 snapshot ls --format '{{.Labels}}'
  [[ $output == "stage=prod,ticket=17" ]]
  [[ $(sha256sum "$KNALLER_HOME/snapshots/$id/metadata.json") == "$before" ]]
  [[ $(stat -c %a "$KNALLER_HOME/snapshots/$id/labels.json") == 600 ]]
  k_exits 0 snapshot verify "$id"
  k_exits 2 snapshot label "$id" novalue
  k_exits 2 snapshot label "$id" "$(printf 'a\nb=c')"
  k_exits 2 snapshot create web --label "$(head -c 3000 /dev/zero | tr '\0' x)=1"
  k_exits 3 snapshot label snap_00000000 a=b
  [[ $(knaller snapshot ls -q) == "$id" ]]
}

@test "names are unique, and stand wherever an id does" {
  take web --name first
  first=$id
  take web
  k_exits 5 snapshot rename "$id" first
  k_exits 2 snapshot rename "$id" snap_00000001
  k_exits 2 snapshot rename "$id" 'Not a name'
  k_exits 0 snapshot rename "$id" second
  k_exits 0 snapshot rename second second
  k_exits 0 snapshot rename first third
  k_exits 0 snapshot rename second first
  [[ $(knaller snapshot inspect first | jq -r .id) == "$id" ]]
  [[ $(knaller snapshot inspect third | jq -r .id) == "$first" ]]
  k_exits 0 snapshot rename first ''
  k_exits 3 snapshot inspect first
  k_exits 0 snapshot rm third
}

@test "of many renamings to one name at once, one wins" {
  for _ in {1..4}; do take web; done
  mapfile -t ids < <(knaller snapshot ls -q)
  children=()
  for one in "${ids[@]}"; do
    knaller snapshot rename "$one" same > /dev/null 2>&1 3>&- &
    children+=("$!")
  done
  won=0
  for child in "${children[@]}"; do wait "$child" && won=$((won + 1)); done
  [[ $won -eq 1 ]]
  [[ $(knaller snapshot ls --format '{{.Name}}' | grep -c same) -eq 1 ]]
  no_lock_held
}

@test "ls --filter shows what every filter matches" {
  take web --name ci-1 --label stage=ci
  first=$id
  take web --name ci-2 --label stage=prod
  second=$id
  filtered() { knaller snapshot ls -q "$@" | tr '\n' ' '; }
  [[ $(filtered --filter label=stage) == "$first $second " ]]
  [[ $(filtered --filter label=stage=ci) == "$first " ]]
  [[ $(filtered --filter name='ci-*' -f label=stage=prod) == "$second " ]]
  [[ -z $(filtered --filter vm=other) ]]
  k_exits 2 snapshot ls --filter age=3
  contains "$stderr" "label=KEY"
}

@test "a snapshot of the Go program gets no labels, and prune leaves it and a damaged one" {
  foreign=$KNALLER_HOME/snapshots/snap_00000001
  mkdir "$foreign"
  echo '{"id": "snap_00000001", "vm_name": "web", "created_at": "2020-01-02T03:04:05Z", "vcpus": 1, "mem_size_mib": 1}' \
    > "$foreign/metadata.json"
  take web
  broken=$id
  echo '{' > "$KNALLER_HOME/snapshots/$id/labels.json"
  k_exits 6 snapshot protect snap_00000001
  [[ $(ls -A "$foreign") == metadata.json ]]
  k_exits 0 snapshot prune --vm web --keep-last 0
  [[ -e $foreign && -e $KNALLER_HOME/snapshots/$broken ]]
  # It may have been protected.
  k_exits 11 snapshot rm "$broken"
  contains "$stderr" "--force"
  k_exits 0 snapshot rm -f "$broken"
}

@test "prune keeps the last of each VM, needs a rule, and --dry-run only tells" {
  for _ in 1 2 3; do take web; done
  k_exits 0 start -d db --mem 64
  take db
  k_exits 2 snapshot prune
  k_exits 2 snapshot prune --max-age soon
  k_exits 2 snapshot prune --keep-last -1
  mapfile -t ids < <(knaller snapshot ls -q)
  k_exits 0 snapshot prune --keep-last 1 --dry-run -q
  [[ $output == "${ids[0]}"$'\n'"${ids[1]}" ]]
  [[ $(knaller snapshot ls -q | wc -l) -eq 4 ]]
  k_exits 0 snapshot prune --keep-last 1 --dry-run
  contains "$stderr" "would remove 2 snapshots, "
  k_exits 0 snapshot prune --vm web --keep-last 2 --dry-run
  contains "$stderr" "would remove 1 snapshot, "
  k_exits 0 snapshot prune --max-age 1h
  [[ $(knaller snapshot ls -q | wc -l) -eq 4 ]]
  k_exits 0 snapshot prune --keep-last 1 -q
  [[ $(knaller snapshot ls -q) == "${ids[2]}"$'\n'"${ids[3]}" ]]
  k_exits 0 snapshot prune --max-age 0
  [[ -z $(ls -A "$KNALLER_HOME/snapshots") ]]
  only_locks=$(ls -A "$KNALLER_HOME/locks")
  lacks "$only_locks" snap-
}

@test "prune says to the byte what comes free, before and after, also with VMs that share files" {
  take web --label stage=ci
  k_exits 0 start -d web2 --from-snapshot "$id"
  take web2 --label stage=ci
  take web --label stage=ci
  settle
  k_exits 0 snapshot prune --label stage=ci --dry-run --json
  planned=$(jq .freed_bytes <<< "$output")
  [[ $(jq '[.removed[].freed_bytes] | add' <<< "$output") == "$planned" ]]
  before=$(taken)
  k_exits 0 snapshot prune --label stage=ci --json
  freed=$(jq .freed_bytes <<< "$output")
  [[ $(jq '.removed | length' <<< "$output") -eq 3 ]]
  echo "planned $planned, said $freed, was $((before - $(taken)))"
  [[ $freed -eq $((before - $(taken))) && $planned -eq $freed && $freed -gt 0 ]]
}

@test "removing the image and the snapshot that running VMs came from hurts nobody" {
  take web
  k_exits 0 start -d web2 --from-snapshot "$id"
  k_exits 0 snapshot rm "$id"
  k_exits 0 image rm fake
  [[ -z $(ls -A "$KNALLER_HOME/snapshots" "$KNALLER_HOME/images" | grep -v :) ]]
  is web running
  is web2 running
  for vm in web web2; do
    k_exits 0 snapshot create "$vm" --name "of-$vm"
    k_exits 0 snapshot verify "of-$vm"
    k_exits 0 restart "$vm"
    is "$vm" running
  done
  k_exits 0 start -d web3 --from-snapshot of-web2
  k_exits 0 snapshot rm of-web of-web2
  k_exits 0 rm -f web web2
  is web3 running
  k_exits 0 snapshot create web3
  k_exits 0 snapshot verify "$output"
}
