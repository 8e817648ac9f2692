// Drives a VMM with Firecracker's own Go SDK: boot, pause, snapshot, resume, stop; then load, pause, stop.
//
//	go-sdk VMM FOLDER
//
// FOLDER holds vmlinux and rootfs.ext4. Each step is a line on standard output; the guest's console goes to
// the files first and second. Exit status 1 at the first failure.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	firecracker "github.com/firecracker-microvm/firecracker-go-sdk"
	models "github.com/firecracker-microvm/firecracker-go-sdk/client/models"
)

type test struct {
	context context.Context
	vmm     string
	folder  string
}

func (t test) path(name string) string { return filepath.Join(t.folder, name) }

func check(step string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", step, err)
		os.Exit(1)
	}
	fmt.Println(step)
}

func (t test) machine(name string, configuration firecracker.Config, options ...firecracker.Opt) *firecracker.Machine {
	console, err := os.Create(t.path(name))
	check("create the console "+name, err)
	configuration.SocketPath = t.path(name + ".sock")
	command := firecracker.VMCommandBuilder{}.
		WithBin(t.vmm).
		WithSocketPath(configuration.SocketPath).
		WithStdout(console).
		WithStderr(os.Stderr).
		Build(t.context)
	options = append(options, firecracker.WithProcessRunner(command))
	machine, err := firecracker.NewMachine(t.context, configuration, options...)
	check("configure "+name, err)
	check("start "+name, machine.Start(t.context))
	return machine
}

// A guest that runs writes; it has to write more than it has.
func (t test) awaitConsole(name string) {
	size := func() int64 {
		info, err := os.Stat(t.path(name))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for before := size(); size() < before+10; {
		select {
		case <-t.context.Done():
			check("hear the guest of "+name, t.context.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	check("hear the guest of "+name, nil)
}

func (t test) stop(name string, machine *firecracker.Machine) {
	check("stop "+name, machine.StopVMM())
	// The SDK ends it by a signal, and reports that as the way it ended.
	_ = machine.Wait(t.context)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go-sdk VMM FOLDER")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	t := test{ctx, os.Args[1], os.Args[2]}

	first := t.machine("first", firecracker.Config{
		KernelImagePath: t.path("vmlinux"),
		KernelArgs:      "console=ttyS0",
		Drives:          firecracker.NewDrivesBuilder(t.path("rootfs.ext4")).Build(),
		MachineCfg: models.MachineConfiguration{
			VcpuCount:  firecracker.Int64(1),
			MemSizeMib: firecracker.Int64(128),
		},
	})
	t.awaitConsole("first")
	check("pause first", first.PauseVM(ctx))
	check("snapshot first", first.CreateSnapshot(ctx, t.path("memory"), t.path("state")))
	check("resume first", first.ResumeVM(ctx))
	t.awaitConsole("first")
	t.stop("first", first)

	second := t.machine("second", firecracker.Config{},
		firecracker.WithSnapshot(t.path("memory"), t.path("state"), func(snapshot *firecracker.SnapshotConfig) {
			snapshot.ResumeVM = true
		}))
	t.awaitConsole("second")
	check("pause second", second.PauseVM(ctx))
	t.stop("second", second)
}
