// Commands that reach into VMs.
#include "cli/commands.h"
#include "cli/spec.h"

namespace knaller::cli {

std::vector<Command> inside_commands() {
  return {
      {.path = "ssh",
       .summary = "Enter a VM with ssh",
       .arguments = "NAME [-- STRING]",
       .description =
           "Runs the ssh program with the VM's address, key and host key. STRING is given to the guest's "
           "shell, as ssh does. Your ssh configuration is not read; give what you need with --option.",
       .flags = {{.name = "user", .letter = 'u', .value = "USER", .help = "Log in as USER (default: root)"},
                 {.name = "tty", .letter = 't', .help = "Ask for a terminal, as `ssh -t`"},
                 {.name = "option",
                  .letter = 'o',
                  .value = "KEY=VALUE",
                  .help = "An option for ssh, as `ssh -o`; takes precedence over knaller's own",
                  .repeated = true},
                 {.name = "forward",
                  .letter = 'L',
                  .value = "SPEC",
                  .help = "Forward a local port, as `ssh -L`",
                  .repeated = true}},
       .examples = {{"knaller ssh web", ""}, {"knaller ssh web -- 'cd /srv && ls | wc -l'", ""}},
       .names = Names::kVm,
       .least = 1,
       .most = -1,
       .tail = Tail::kAfterFirstName,
       .run = cmd_ssh},
      {.path = "exec",
       .summary = "Run a command in a VM",
       .arguments = "NAME [--] CMD [ARG…]",
       .description =
           "Each ARG arrives as written; no shell reads it. Input, output, errors, the window's size and "
           "signals are passed on; a terminal is given when this command has one on input and output. The "
           "exit code is the command's own, 128+N when signal N ended it, 125 when knaller or the connection "
           "failed. Three signals within three seconds (Ctrl-C, SIGTERM) end this command even if the guest "
           "hangs.",
       .flags = {{.name = "tty",
                  .letter = 't',
                  .help = "Give the command a terminal, always",
                  .not_with = "no-tty"},
                 {.name = "no-tty", .letter = 'T', .help = "Give the command no terminal"},
                 {.name = "interactive", .letter = 'i', .help = "Connect the input, which is the default"},
                 {.name = "no-stdin", .letter = 'n', .help = "Give the command no input"},
                 {.name = "detach",
                  .letter = 'd',
                  .help = "Print the command's id and return; with -t or -i its input stays open for attach"},
                 {.name = "env",
                  .letter = 'e',
                  .value = "K=V",
                  .help = "Set a variable",
                  .repeated = true,
                  .convert = as_variable},
                 {.name = "workdir", .letter = 'w', .value = "DIR", .help = "Run it in this directory"},
                 {.name = "user", .letter = 'u', .value = "USER", .help = "Run it as USER (default: root)"},
                 {.name = "wait-timeout",
                  .value = "TIME",
                  .help = "How long a guest that is still booting is waited for (default: 30s)",
                  .convert = as_time,
                  .setting = "wait_timeout"}},
       .examples = {{"knaller exec web -- printf '%s\\n' 'a b' '$HOME'", ""},
                    {"tar c . | knaller exec web -- tar x -C /srv", ""},
                    {"knaller exec -d web -- make -C /src", "see `knaller help attach`"}},
       .names = Names::kVm,
       .least = 1,
       .most = -1,
       .tail = Tail::kAfterFirstName,
       .run = cmd_exec,
       .failure_code = kExecFailed},
      {.path = "ps",
       .summary = "List the commands that run in a VM",
       .arguments = "NAME",
       .description = "Those that exec began and that run, and detached ones whose end nobody has asked for "
                      "yet (attach). "
                      "What the guest runs of its own accord is not among them.",
       .examples = {{"knaller ps web", ""}, {"knaller ps -q web", "only the ids"}},
       .names = Names::kVm,
       .least = 0,
       .most = 1,
       .run = cmd_ps},
      {.path = "attach",
       .summary = "Join a command that runs in a VM",
       .arguments = "NAME ID",
       .description =
           "Prints what is kept of the command's output (the last 256 KiB of each kind that nobody has "
           "seen), "
           "and then what it says, until it ends; the exit code is its own. ID is an id of `knaller ps`, or "
           "the beginning of one. Input and signals are passed on as by exec; whoever was attached before is "
           "not "
           "any more. Ctrl-] leaves a command that has a terminal, and so does the end of this command.",
       .flags = {{.name = "no-stdin", .letter = 'n', .help = "Pass on no input"}},
       .examples = {{"knaller attach web 3f9c", ""}},
       .names = Names::kVm,
       .least = 2,
       .most = 2,
       .run = cmd_attach,
       .failure_code = kExecFailed},
      {.path = "kill",
       .summary = "Send a signal to commands that run in a VM",
       .arguments = "NAME ID…",
       .description = "To each command and what it has started in its process group.",
       .flags = {{.name = "signal",
                  .letter = 's',
                  .value = "SIGNAL",
                  .help = "By name or number (default: TERM)",
                  .convert = as_signal}},
       .examples = {{"knaller kill web 3f9c", ""}, {"knaller kill -s KILL web $(knaller ps -q web)", ""}},
       .names = Names::kVm,
       .least = 2,
       .most = -1,
       .run = cmd_kill},
      {.path = "cp",
       .summary = "Copy files and directories into and out of a VM",
       .arguments = "SOURCE DESTINATION",
       .description =
           "One of the two is NAME:PATH, a path in a VM; the other one is local, or - for standard input or "
           "output. A source folder that ends in /. gives its contents alone. Links that are named are "
           "followed, those in folders are copied as links. Holes in files stay holes. A file, and a folder "
           "that is new, appear whole or not at all; folders that are there keep their modes and owners, "
           "and devices and pipes are never replaced. What comes out of a guest can't leave the destination. "
           "Write a local path that contains a colon as ./a:b.",
       .flags =
           {{.name = "archive",
             .letter = 'a',
             .help = "Keep owners, as numbers where they may be set, and modes whatever the umask is"},
            {.name = "links", .help = "Copy links as links, wherever they lead; the source itself, too"},
            {.name = "xattrs", .help = "Copy extended attributes; from a VM only those of user."},
            {.name = "max-size",
             .value = "SIZE",
             .help = "Copy at most SIZE of content, such as 500M",
             .convert = as_mebibytes},
            {.name = "user", .letter = 'u', .value = "USER", .help = "Be USER in the VM (default: root)"}},
       .examples = {{"knaller cp site web:/srv", ""},
                    {"knaller cp web:/var/log/messages .", ""},
                    {"knaller cp web:/etc/os-release - | grep ^ID", ""}},
       .names = Names::kVmOrFile,
       .least = 2,
       .most = 2,
       .run = cmd_cp},
      {.path = "connect",
       .summary = "Join input and output to a port of a VM",
       .arguments = "NAME PORT",
       .description =
           "Connects to a TCP port on the guest's own 127.0.0.1 or ::1, whether or not it was forwarded, and "
           "whatever network the VM has. Ends when both sides have ended; each is told of the other's end.",
       .examples = {{"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | knaller connect web 80", ""},
                    {"ssh -o ProxyCommand='knaller connect web 22' root@web", ""}},
       .names = Names::kVm,
       .least = 2,
       .most = 2,
       .run = cmd_connect},
      {.path = "forward",
       .summary = "Forward ports of this host to a running VM",
       .arguments = "NAME [ADDRESS:]HOST:GUEST…",
       .description =
           "Listens on the host's TCP ports until the command is ended. Host port 0 chooses a free one, "
           "which is told. Each connection leads to the guest's own 127.0.0.1 or ::1.",
       .examples = {{"knaller forward web 8080:80", ""}, {"knaller forward db 0:5432 0:9187", ""}},
       .names = Names::kVm,
       .least = 2,
       .most = -1,
       .run = cmd_forward},
      {.path = "ssh-config",
       .summary = "Print what ssh needs to know about VMs",
       .arguments = "NAME…",
       .description = "A stanza that ssh, scp, sftp, rsync, Ansible and editors read.",
       .flags = {{.name = "user", .letter = 'u', .value = "USER", .help = "Log in as USER (default: root)"}},
       .examples = {{"knaller ssh-config web > web.conf && sftp -F web.conf web", ""}},
       .names = Names::kVm,
       .least = 1,
       .most = -1,
       .run = cmd_ssh_config},
  };
}

}  // namespace knaller::cli
