// Drives an engine through Firecracker's own Go SDK: boot, pause, resume, snapshot, and a second VM from that.
//
//	sdk ENGINE FOLDER
//
// In FOLDER lie `vmlinux`, a kernel that writes the alphabet on its console for ever, and `rootfs.ext4`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	firecracker "github.com/firecracker-microvm/firecracker-go-sdk"
	"github.com/firecracker-microvm/firecracker-go-sdk/client/models"
	"github.com/sirupsen/logrus"
)

// Guests under emulation are slow, on a busy machine very slow.
const patience = 3 * time.Minute

type vm struct {
	*firecracker.Machine
	console string
}

func config(folder, name string) firecracker.Config {
	return firecracker.Config{
		SocketPath:      filepath.Join(folder, name+".sock"),
		LogPath:         filepath.Join(folder, name+".log"),
		LogLevel:        "Info",
		KernelImagePath: filepath.Join(folder, "vmlinux"),
		KernelArgs:      "console=ttyS0 reboot=k panic=1 pci=off",
		Drives:          firecracker.NewDrivesBuilder(filepath.Join(folder, "rootfs.ext4")).Build(),
		MachineCfg: models.MachineConfiguration{
			VcpuCount:  firecracker.Int64(1),
			MemSizeMib: firecracker.Int64(128),
		},
		VMID: name,
	}
}

func start(ctx context.Context, engine, folder, name string, options ...firecracker.Opt) (*vm, error) {
	logger := logrus.New()
	logger.SetLevel(logrus.WarnLevel)
	started := &vm{console: filepath.Join(folder, name+".console")}
	console, err := os.Create(started.console)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	cfg := config(folder, name)
	command := firecracker.VMCommandBuilder{}.WithBin(engine).WithSocketPath(cfg.SocketPath).
		WithArgs([]string{"--id", name}).Build(ctx)
	command.Stdout, command.Stderr = console, console
	options = append(options, firecracker.WithProcessRunner(command), firecracker.WithLogger(logrus.NewEntry(logger)))
	started.Machine, err = firecracker.NewMachine(ctx, cfg, options...)
	if err != nil {
		return nil, err
	}
	return started, started.Start(ctx)
}

// How often a letter on the console is the one that follows the letter before.
func (v *vm) letters() int {
	text, _ := os.ReadFile(v.console)
	count := 0
	for i := 1; i < len(text); i++ {
		if text[i] == text[i-1]+1 || (text[i] == 'a' && text[i-1] == 'z') {
			count++
		}
	}
	return count
}

func (v *vm) goesOn(count int) error {
	wanted := v.letters() + count
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if v.letters() >= wanted {
			return nil
		}
	}
	text, _ := os.ReadFile(v.console)
	return fmt.Errorf("%s: the guest does not go on; its console: %s", v.Cfg.VMID, text)
}

func (v *vm) standsStill() error {
	before := v.letters()
	time.Sleep(500 * time.Millisecond)
	if v.letters() != before {
		return fmt.Errorf("%s: the guest runs while it is paused", v.Cfg.VMID)
	}
	return nil
}

func (v *vm) is(ctx context.Context, state string) error {
	info, err := v.DescribeInstanceInfo(ctx)
	if err == nil && (info.State == nil || *info.State != state) {
		err = fmt.Errorf("%s: not %s: %+v", v.Cfg.VMID, state, info)
	}
	return err
}

func (v *vm) stop(ctx context.Context) error {
	if err := v.StopVMM(); err != nil {
		return err
	}
	var killed *exec.ExitError // StopVMM sends SIGTERM
	if err := v.Wait(ctx); err != nil && !errors.As(err, &killed) {
		return err
	}
	return nil
}

// Puts a copy in the place of a file that a VM goes on writing to: no two VMs may have one disk.
func replaceByCopy(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".copy", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".copy", path)
}

// Each in its order, up to the first that fails.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, engine, folder string) error {
	one, err := start(ctx, engine, folder, "one")
	if err != nil {
		return err
	}
	memory, state := filepath.Join(folder, "memory"), filepath.Join(folder, "state")
	err = all(
		func() error { return one.goesOn(30) },
		func() error { return one.is(ctx, models.InstanceInfoStateRunning) },
		func() error { return one.PauseVM(ctx) },
		func() error { return one.is(ctx, models.InstanceInfoStatePaused) },
		one.standsStill,
		func() error { return one.CreateSnapshot(ctx, memory, state) },
		func() error { return replaceByCopy(filepath.Join(folder, "rootfs.ext4")) },
		func() error { return one.ResumeVM(ctx) },
		func() error { return one.goesOn(5) },
	)
	if err != nil {
		return err
	}
	resume := func(snapshot *firecracker.SnapshotConfig) { snapshot.ResumeVM = true }
	two, err := start(ctx, engine, folder, "two", firecracker.WithSnapshot(memory, state, resume))
	if err != nil {
		return err
	}
	return all(
		func() error { return two.goesOn(30) },
		func() error { return one.goesOn(5) },
		func() error { return two.stop(ctx) },
		func() error { return one.goesOn(5) },
		func() error { return one.stop(ctx) },
	)
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		cancel()
		time.Sleep(time.Second) // the SDK ends its engines
		os.Exit(1)
	}
}
