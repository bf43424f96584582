//go:build linux

// Command probe confines itself as unpacking does, and then tries what code that
// broke out of it would try.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/unpack"
)

func main() {
	if err := unpack.Confine(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	reached := false
	for name, try := range map[string]func() error{
		"execute":        func() error { return syscall.Exec("/proc/self/exe", []string{"x"}, nil) },
		"start a child":  func() error { return exec.Command("/bin/true").Run() },
		"open a socket":  func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); return err },
		"a Unix socket":  func() error { _, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
		"mount":          func() error { return unix.Mount("none", "/", "tmpfs", 0, "") },
		"leave the root": func() error { return unix.Chroot(".") },
		"unshare":        func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"join":           func() error { return unix.Setns(0, 0) },
		"read a file":    func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"walk up":        func() error { _, err := os.ReadFile("../../../../../../etc/passwd"); return err },
		"by a handle":    func() error { _, err := unix.OpenByHandleAt(4, unix.NewFileHandle(1, make([]byte, 8)), 0); return err },
		"signal":         func() error { return unix.Kill(1, 0) },
		"trace":          func() error { return unix.PtraceAttach(os.Getppid()) },
		"raise a limit":  func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}) },
		"a module":       func() error { return unix.FinitModule(0, "", 0) },
		"bpf":            func() error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return errno(e) },
	} {
		if err := try(); err == nil {
			fmt.Println("reached:", name)
			reached = true
		}
	}
	if !reached {
		fmt.Println("nothing was reached")
	}
}

func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
