# Loaded by every test of the command line: a home and a configuration of its own, and ways to look at what a command printed.
bats_require_minimum_version 1.5.0

common_setup() {
  export KNALLER_HOME=$BATS_TEST_TMPDIR/home
  export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config
  unset KNALLER_CONFIG KNALLER_IMAGE KNALLER_CPUS KNALLER_MEM KNALLER_DISK KNALLER_ENGINE KNALLER_PASTA NO_COLOR CI
}

# knaller, with its output in $output, its errors in $stderr and its exit code in $status.
k() {
  run --separate-stderr knaller "$@"
}

# The same, and the exit code has to be this.
k_exits() {
  local expected=$1
  shift
  k "$@"
  if [[ $status -ne $expected ]]; then
    echo "knaller $*: exit code $status instead of $expected"
    echo "stdout: $output"
    echo "stderr: $stderr"
    return 1
  fi
}

contains() {
  if [[ $1 != *"$2"* ]]; then
    echo "not found: $2"
    echo "in: $1"
    return 1
  fi
}

lacks() {
  if [[ $1 == *"$2"* ]]; then
    echo "found: $2"
    echo "in: $1"
    return 1
  fi
}

# Standard error was exactly one error object of this code, and standard output was empty.
json_error() {
  [[ -z $output ]] || { echo "stdout: $output"; return 1; }
  local code
  code=$(jq -r .error.code <<<"$stderr") || { echo "stderr: $stderr"; return 1; }
  [[ $code == "$1" && $(jq -s length <<<"$stderr") == 1 ]] || { echo "stderr: $stderr"; return 1; }
}
