# For bats files that need other programs: every test skips and says so when setup_file sets `why_not`.

# The first reason why these programs can't be driven here; nothing when they can.
missing() {
  local program
  for program; do
    command -v "$program" > /dev/null || { echo "there is no $program on PATH"; return; }
  done
  [ -w /dev/kvm ] || echo "/dev/kvm does not open"
}

# bats 1.8 takes a skip in setup_file for a failure.
setup() {
  [ -z "$why_not" ] || skip "$why_not"
}
