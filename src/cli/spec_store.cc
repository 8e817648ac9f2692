// Commands on images and on the store as a whole, and those that touch nothing.
#include "cli/commands.h"
#include "cli/spec.h"

namespace knaller::cli {

std::vector<Command> image_commands() {
  return {
      {.path = "image build",
       .summary = "Build an image from Debian packages",
       .arguments = "tiny|debian",
       .description =
           "Makes kernel, initramfs and root file system as an ordinary user, without mounting and without "
           "containers. 'tiny' is busybox with an SSH server and boots in seconds; 'debian' is Debian 12.",
       .flags =
           {{.name = "name", .value = "NAME", .help = "The image's name (default: as its kind)"},
            {.name = "size",
             .value = "SIZE",
             .help = "Size of its disk, in MiB or as in 4G",
             .convert = as_mebibytes},
            {.name = "package", .value = "NAME", .help = "One more Debian package in it", .repeated = true},
            {.name = "replace", .help = "Replace an image of that name"}},
       .examples = {{"knaller image build tiny", ""},
                    {"knaller image build debian --name web --package nginx --size 4G", ""}},
       .names = Names::kWords,
       .least = 1,
       .most = 1,
       .run = cmd_image_build},
      {.path = "image import",
       .summary = "Make an image from a kernel and a root file system of your own",
       .arguments = "NAME --kernel FILE --rootfs FILE [--initrd FILE]",
       .flags = {{.name = "kernel",
                  .value = "FILE",
                  .help = "vmlinux or bzImage",
                  .names = Names::kFile,
                  .convert = as_file},
                 {.name = "rootfs",
                  .value = "FILE",
                  .help = "An ext4 file system",
                  .names = Names::kFile,
                  .convert = as_file},
                 {.name = "initrd",
                  .value = "FILE",
                  .help = "An initramfs",
                  .names = Names::kFile,
                  .convert = as_file},
                 {.name = "replace", .help = "Replace an image of that name"}},
       .least = 1,
       .most = 1,
       .run = cmd_image_import},
      {.path = "image ls",
       .aliases = {"image list", "images ls", "images list", "images"},
       .summary = "List images",
       .description =
           "FORMAT is as in `knaller ls --format`, with these fields: {{.Name}} {{.Status}} {{.Kind}} "
           "{{.Kernel}} {{.Size}} {{.Age}} {{.Created}} {{.Directory}}.",
       .flags = {{.name = "format", .value = "FORMAT", .help = "Print this for each image"}},
       .run = cmd_image_ls},
      {.path = "image inspect",
       .summary = "Print everything known about images, as JSON",
       .arguments = "NAME…",
       .names = Names::kImage,
       .least = 1,
       .most = -1,
       .run = cmd_image_inspect},
      {.path = "image rm",
       .aliases = {"image remove", "image delete", "images rm"},
       .summary = "Remove images",
       .arguments = "NAME…",
       .description = "VMs and snapshots that were made from it are not affected.",
       .flags = {{.name = "force", .letter = 'f', .help = "One that does not exist is not an error"}},
       .names = Names::kImage,
       .least = 1,
       .most = -1,
       .run = cmd_image_rm},
  };
}

std::vector<Command> store_commands() {
  return {
      {.path = "store du",
       .summary = "Show what everything takes on the disk",
       .description =
           "One row for each image, snapshot and VM: the sizes of its files (SIZE), the space that they take "
           "(ON DISK), the part of it in files that others have too (SHARED), and what removing it would "
           "free (EXCLUSIVE). The total counts every file once: its ON DISK is what `du -s` shows.",
       .flags = {{.name = "bytes", .letter = 'b', .help = "Print exact numbers of bytes"}},
       .run = cmd_store_du},
      {.path = "store check",
       .summary = "Look for what is left behind, wrong or damaged",
       .description =
           "Looks at everything but the contents of large files, which `knaller snapshot verify` reads: what "
           "interrupted commands left, owners and modes, records, missing files. ! can be repaired, ✗ is "
           "damaged and says what to do, · is only a note. Nothing is changed without --repair, which never "
           "touches a running VM's files, anything whole, or what belongs to the Go program. The exit code "
           "is 0 if nothing is wrong (any more), and 11 otherwise.",
       .flags = {{.name = "repair", .help = "Remove what is left behind, fix owners and modes"}},
       .examples = {{"knaller store check", ""}, {"knaller store check --repair", ""}},
       .run = cmd_store_check},
  };
}

std::vector<Command> other_commands() {
  return {
      {.path = "doctor",
       .summary = "Check what this machine can do",
       .description =
           "One row for each check: ✓ fine, ! works with limitations, ✗ does not work. A row that is not "
           "fine comes with the command that fixes it, if there is one. The exit code is 1 if a check "
           "failed.",
       .flags = engine_flags(),
       .examples = {{"knaller doctor", ""}},
       .run = cmd_doctor},
      {.path = "version", .summary = "Print the version", .plain = cmd_version},
      {.path = "completion",
       .summary = "Print the completion script of a shell",
       .arguments = "bash|zsh|fish",
       .examples = {{"source <(knaller completion bash)", "bash, for this shell"},
                    {"knaller completion zsh > ~/.zfunc/_knaller", "zsh, with ~/.zfunc on $fpath"},
                    {"knaller completion fish > ~/.config/fish/completions/knaller.fish", "fish"}},
       .names = Names::kWords,
       .least = 1,
       .most = 1,
       .plain = cmd_completion},
      {.path = "help",
       .summary = "Show the help of a command",
       .arguments = "[COMMAND]",
       .names = Names::kCommand,
       .most = 2,
       .plain = cmd_help},
      // What completion scripts ask, and what the build makes the man pages with.
      {.path = "__complete", .most = -1, .tail = Tail::kAfterDashes, .plain = cmd_complete},
      {.path = "__man",
       .arguments = "[COMMAND | --all DIR]",
       .flags = {{.name = "all", .value = "DIR"}},
       .most = 2,
       .plain = cmd_man},
  };
}

}  // namespace knaller::cli
