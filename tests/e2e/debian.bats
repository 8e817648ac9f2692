# The image debian: a whole system, and what the programs of others do with the stanza of ssh-config.
# shellcheck disable=SC2154 # bats' run sets them
# shellcheck disable=SC2016 # meant for another shell
bats_require_minimum_version 1.5.0
load ../lib/processes

setup_file() {
  export KNALLER_HOME="$BATS_FILE_TMPDIR/home" PATH="$PATH:/usr/sbin:/sbin"
  knaller image build debian
  knaller start deb --image debian --detach --mem 768
}

teardown_file() {
  knaller rm -f --all > /dev/null 2>&1 || true
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  [[ ! -S $KNALLER_HOME/vms/deb/monitor.sock ]] || knaller ssh-config deb > config
}

inside() {
  run --separate-stderr knaller exec deb -- "$@"
}

@test "its files belong to whom Debian gave them, and no keys are in it" {
  base=$KNALLER_HOME/images/debian/base.ext4
  run --separate-stderr debugfs -R 'stat /usr/bin/su' "$base"
  [[ $output == *"Mode:  04755"* && $output == *"User:     0   Group:     0"* ]]
  run --separate-stderr debugfs -R 'ls /etc/ssh' "$base"
  [[ $output == *sshd_config* && $output != *ssh_host* ]]
  [ "$(ls -A "$KNALLER_HOME/images")" = debian ]
}

@test "systemd is content, and modules, names and Python are there" {
  inside systemctl is-system-running --wait
  [ "$output" = running ]
  inside hostname
  [ "$output" = deb ]
  inside sh -c 'modprobe bridge && grep -c ^bridge /proc/modules'
  [ "$output" = 1 ]
  inside python3 -c 'import http.server, json, shutil, ssl; print(6 * 7)'
  [ "$output" = 42 ]
}

@test "rsync carries a tree both ways, and then only what changed" {
  mkdir -p tree/sub
  echo one > 'tree/a file'
  head -c 3000000 /dev/urandom > tree/sub/bytes
  ln -s sub/bytes tree/link
  rsync -a -e 'ssh -F config' tree/ deb:/srv/tree/
  rsync -a -e 'ssh -F config' deb:/srv/tree/ back/
  diff -r tree back
  [ "$(readlink back/link)" = sub/bytes ]
  echo two >> 'tree/a file'
  run --separate-stderr rsync -ai --delete -e 'ssh -F config' tree/ deb:/srv/tree/
  [[ $output == *"a file"* && $output != *bytes* ]]
}

@test "Ansible gathers facts, writes a file and asks for a service" {
  export ANSIBLE_HOME=$PWD/ansible ANSIBLE_LOCAL_TEMP=$PWD/ansible/tmp ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8
  cat > play.yml << 'PLAY'
- hosts: all
  tasks:
    - ansible.builtin.ping:
    - ansible.builtin.copy: {content: "by ansible\n", dest: /etc/by-ansible, mode: "0600"}
    - ansible.builtin.service: {name: ssh, state: started}
    - ansible.builtin.assert: {that: "ansible_distribution == 'Debian' and ansible_hostname == 'deb'"}
PLAY
  run ansible-playbook -i deb, --ssh-common-args "-F $PWD/config" play.yml
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"changed=1 "*"unreachable=0 "*"failed=0 "* ]]
  inside sh -c 'stat -c %a /etc/by-ansible; cat /etc/by-ansible'
  [ "$output" = $'600\nby ansible' ]
}

# Visual Studio Code's Remote-SSH itself is not here. It feeds a script to a shell without a terminal, unpacks its server with
# tar, and reaches that server's port on the guest's loopback through a dynamic forward; all over one connection where it can.
@test "what VS Code's Remote-SSH asks of ssh: a script to a shell, a shared connection, forwards" {
  run --separate-stderr ssh -F config -T deb bash <<< 'set -e; uname -m; command -v tar gzip curl > /dev/null; ldconfig -p | grep -c "libstdc++.so.6 "'
  [ "$output" = $'x86_64\n1' ]

  knaller exec deb -- sh -c 'mkdir -p /srv/www && echo "from inside" > /srv/www/page &&
    systemd-run --quiet python3 -m http.server --bind 127.0.0.1 --directory /srv/www 8123'
  knaller exec deb -- curl -fsS --retry 100 --retry-delay 1 --retry-all-errors http://127.0.0.1:8123/page
  master=(-F config -o "ControlPath=$PWD/master")
  ssh "${master[@]}" -f -N -M -o ControlPersist=yes deb 3>&-
  ssh "${master[@]}" -O forward -L "$PWD/forward:127.0.0.1:8123" deb
  [ "$(curl -fsS --unix-socket forward http://deb/page)" = "from inside" ]
  # ssh takes no port 0 here, so ports are tried until one is free.
  until ssh "${master[@]}" -O forward -D "$((socks = 20000 + RANDOM))" deb; do ssh "${master[@]}" -O check deb; done
  [ "$(curl -fsS --socks5-hostname "127.0.0.1:$socks" http://127.0.0.1:8123/page)" = "from inside" ]
  [ "$(ssh "${master[@]}" deb hostname)" = deb ]
  ssh "${master[@]}" -O exit deb

  # As a jump host: into the guest by way of the guest.
  [ "$(ssh -F config -o 'ProxyCommand=ssh -F config -W 127.0.0.1:22 deb' deb hostname)" = deb ]
}

@test "when every process of it is killed, systemd starts what it had, and the agent comes back" {
  knaller exec deb -- test -e /usr/lib/knaller/guest
  knaller exec deb -- sh -c "kill -KILL -1" || true
  answers() { [[ $(timeout 5 knaller exec deb -- echo here) == here ]]; }
  within 30000 answers
  [ "$(knaller exec deb -- systemctl is-active knaller-agent)" = active ]
  # What others had started by hand has failed with that.
  knaller exec deb -- systemctl reset-failed
}

@test "a clone of it is entered under its own name, with the files of that instant" {
  knaller exec deb -- sh -c 'echo kept > /root/note'
  id=$(knaller snapshot create deb)
  knaller start deb2 --detach --from-snapshot "$id"
  [ "$(knaller exec deb2 -- sh -c 'hostname; cat /root/note; systemctl is-system-running')" = $'deb2\nkept\nrunning' ]
  knaller rm -f deb2
  knaller snapshot rm "$id"
}

@test "a stop shuts it down, and its disk's journal is empty" {
  knaller stop deb
  [[ $(knaller logs deb) == *"knaller: poweroff"* ]]
  run --separate-stderr debugfs -R features "$KNALLER_HOME/vms/deb/jail/disk.ext4"
  [[ $output == *metadata_csum* && $output != *needs_recovery* ]]
}
