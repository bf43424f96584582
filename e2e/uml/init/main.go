//go:build linux

// Command init is the first process of the test machine: it mounts what a Linux
// has, runs the programs of /tests and powers off. What it prints is read by the
// test outside.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if err := prepare(); err != nil {
		fmt.Println("INIT", err)
	} else {
		tests()
	}
	unix.Sync()
	fmt.Println("INIT off:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

func prepare() error {
	for _, m := range []struct{ source, path, kind, data string }{
		{"proc", "/proc", "proc", ""},
		{"sysfs", "/sys", "sysfs", ""},
		{"tmpfs", "/run", "tmpfs", "mode=755"},
		{"tmpfs", "/tmp", "tmpfs", "mode=1777"},
		{"cgroup2", "/sys/fs/cgroup", "cgroup2", ""},
		{"/dev/ubda", "/disk", "ext4", ""},
	} {
		if err := unix.Mount(m.source, m.path, m.kind, 0, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.path, err)
		}
	}
	// What systemd does: the controllers are for those below.
	const root = "/sys/fs/cgroup/"
	b, err := os.ReadFile(root + "cgroup.controllers")
	if err != nil {
		return err
	}
	fmt.Printf("INIT controllers %s", b)
	for _, c := range strings.Fields(string(b)) {
		if err := os.WriteFile(root+"cgroup.subtree_control", []byte("+"+c), 0); err != nil {
			return err
		}
	}
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, m := range modules {
		f, err := os.Open(m)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
			return fmt.Errorf("load %s: %w", m, err)
		}
		f.Close()
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	fmt.Println("INIT kernel", unix.ByteSliceToString(u.Release[:]))
	return os.Mkdir("/disk/tmp", 0o1777)
}

func tests() {
	programs, _ := filepath.Glob("/tests/*.test")
	for _, p := range programs {
		name := strings.TrimSuffix(filepath.Base(p), ".test")
		fmt.Println("INIT begin", name)
		cmd := exec.Command(p, "-test.v")
		cmd.Env = append(os.Environ(), "PATH=/bin", "TMPDIR=/disk/tmp", "HOME=/tmp", "LAYERLAB_BUILT=/built", "LAYERLAB_CORPUS=/corpus")
		cmd.Dir = "/tmp"
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		err := cmd.Run()
		var x *exec.ExitError
		switch {
		case err == nil:
			fmt.Println("\nINIT end", name, 0)
		case errors.As(err, &x):
			fmt.Println("\nINIT end", name, x.ExitCode())
		default:
			fmt.Println("\nINIT end", name, err)
		}
	}
}
