# A start that does not come to its end says what it saw instead, and leaves nothing.
# shellcheck disable=SC2154 # bats' run and common.bash set them
load common

setup() {
  system_setup
  make_image_ours
}
teardown() { system_teardown; }

@test "a guest that never says it is ready is a timeout, with what it said last" {
  KNALLER_ENGINE=$(engine_with '{"guest": {"ready": "waiting for the moon\n"}}')
  k_exits 7 start -d web --wait-timeout 300ms
  contains "$stderr" "did not say 'knaller: ready'"
  contains "$stderr" "waiting for the moon"
  contains "$stderr" "--no-wait"
  nothing_left
  k_exits 0 start -d web --wait-timeout 300ms --no-wait
}

@test "a silent guest is told as one" {
  KNALLER_ENGINE=$(engine_with '{"guest": {"boot": "", "ready": ""}}')
  k_exits 7 start -d web --wait-timeout 300ms
  contains "$stderr" "the guest wrote nothing on its console"
  nothing_left
}

@test "a guest that panics is told at once, with the kernel's words" {
  # As with panic=-1, which resets the machine: the engine ends by itself.
  KNALLER_ENGINE=$(engine_with '{"guest": {"boot": "[ 1.0] Kernel panic - not syncing: No working init found.\n"}, "rules": [{"method": "PUT", "path": "/actions", "die": "after", "exit_code": 0}]}')
  k_exits 12 start -d web --wait-timeout 60s
  contains "$stderr" "panic"
  contains "$stderr" "No working init found"
  nothing_left
}

@test "an engine that dies while it starts leaves its last words in the error" {
  KNALLER_ENGINE=$(engine_with '{"guest": {"boot": "booting from the hip\n"}, "rules": [{"method": "PUT", "path": "/actions", "die": "after", "exit_code": 7}]}')
  k_exits 12 start -d web
  echo "$stderr"
  contains "$stderr" "exit code 7"
  contains "$stderr" "last lines of the guest's console"
  contains "$stderr" "booting from the hip"
  contains "$stderr" "last lines of the engine's log"
  nothing_left
}

@test "--verbose shows the console while the VM starts" {
  KNALLER_ENGINE=$(engine_with '{"guest": {"boot": "booting from the hip\n"}}')
  k_exits 0 start -d web --verbose
  contains "$stderr" "booting from the hip"
  k_exits 0 start -d other
  lacks "$stderr" "booting from the hip"
}

@test "a restart whose start fails leaves the VM stopped on its disk, and it starts when the cause is gone" {
  engine=$(engine_with '{"rules": []}')
  k_exits 0 start -d web --engine "$engine"
  disk=$KNALLER_HOME/vms/web/jail/rootfs.ext4
  before=$(stat -c %i "$disk")
  mv "$engine" "$engine.away"
  k_exits 3 restart web
  contains "$stderr" "$engine"
  is web stopped
  [[ $(stat -c %i "$disk") == "$before" ]]
  mv "$engine.away" "$engine"
  k_exits 0 start -d web
  is web running
  [[ $(stat -c %i "$disk") == "$before" ]]
}
