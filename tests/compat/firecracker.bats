# The command line on a real Firecracker. Its guests need not get far for that: where hardware virtualization is a pretence they hang,
# and all but "ready" can still be asserted.
bats_require_minimum_version 1.5.0
load common

setup_file() {
  why_not=$(missing firecracker)
  export why_not
  [ -z "$why_not" ] || return 0
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home" KNALLER_ENGINE=firecracker
  knaller image build tiny
  knaller start web --detach --no-wait --mem 128
}

teardown_file() {
  [ -n "$why_not" ] || knaller rm -f --all >/dev/null 2>&1 || true
}

state_of() { knaller inspect "$1" | jq -r .state; }

@test "a VM is paused, goes on, is stopped and started again" {
  knaller start other --detach --no-wait --mem 128
  knaller pause other
  [ "$(state_of other)" = paused ]
  knaller resume other
  [ "$(state_of other)" = running ]
  # Its guest does not hear Ctrl+Alt+Del.
  knaller stop other --timeout 200ms
  [ "$(state_of other)" = stopped ]
  knaller start other --detach --no-wait
  [ "$(state_of other)" = running ]
  knaller rm -f other
  run -3 knaller inspect other
}

@test "snapshots by either way are whole, and clones of them run at once" {
  local way id
  for way in outside engine; do
    id=$(knaller snapshot create web --capture "$way")
    [ "$(state_of web)" = running ]
    [ "$(knaller snapshot inspect "$id" | jq -r .capture)" = "$way" ]
    knaller snapshot verify "$id"
    knaller start "$way-1" --detach --no-wait --from-snapshot "$id"
    knaller start "$way-2" --detach --no-wait --from-snapshot "$id"
  done
  # A clone's own, of which most is its parent's.
  id=$(knaller snapshot create outside-1 --capture outside)
  knaller snapshot verify "$id"
  knaller start grandchild --detach --no-wait --from-snapshot "$id"
  [ "$(knaller ls -q | wc -l)" -eq 6 ]
  knaller snapshot rm "$id"
  knaller rm -f outside-1 outside-2 engine-1 engine-2 grandchild
  knaller store check
}

# Takes both of the paused VM `large`, and prints the id of the one from outside.
compare_both_ways() {
  local by_engine from_outside differing
  by_engine=$(knaller snapshot create large --no-sync --capture engine --max-pause 60s)
  from_outside=$(knaller snapshot create large --no-sync --capture outside --max-pause 60s)
  # Each save writes a few pages of its own into the guest's memory: device queues.
  differing=$(knaller snapshot diff "$by_engine" "$from_outside" --json | jq .memory.differing_pages)
  echo "$1: $differing pages differ" >&2
  [ "$differing" -le 8 ] || return 1
  echo "$from_outside"
}

# Above 3 GiB its memory is in two parts, the upper one lower in the process.
@test "memory read from outside is what the engine writes, with several CPUs and above 3 GiB, too" {
  local size id
  for size in '--cpus 2 --mem 256' '--cpus 4 --mem 3200'; do
    # shellcheck disable=SC2086 # two flags
    knaller start large --detach --no-wait $size
    knaller pause large
    id=$(compare_both_ways "$size")
    knaller rm -f large
    knaller start large --detach --no-wait --from-snapshot "$id"
    knaller pause large
    compare_both_ways "$size, its clone"
    knaller rm -f large
    knaller snapshot prune --keep-last 0 --vm large
  done
}

@test "a VM goes back to a snapshot in its place" {
  knaller snapshot create web --name back
  knaller rollback web back --no-wait
  [ "$(state_of web)" = running ]
  [ "$(knaller snapshot ls -q --filter label=safety | wc -l)" -eq 1 ]
  knaller store check
}
