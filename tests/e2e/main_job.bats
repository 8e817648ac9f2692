# The main job on real VMs, as an ordinary user. The demo checks every claim that it makes, so it is the test.

bats_require_minimum_version 1.5.0

setup_file() {
  export KNALLER_DEMO_HOME="$BATS_FILE_TMPDIR/home"
}

@test "the demo shows the main job from an image to three VMs, and leaves nothing" {
  run --separate-stderr "$BATS_TEST_DIRNAME/../../demo/run" "$KNALLER_BIN"
  echo "$output"
  echo "$stderr"
  [ "$status" -eq 0 ]
  [[ $output == *"That was the main job."* ]]
  [ ! -e "$KNALLER_DEMO_HOME" ]
}
