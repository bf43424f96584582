//go:build linux

package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// facts are what a process can tell of its container.
type facts struct {
	Status    map[string]string // of /proc/self/status
	FDs       []string
	Env       []string
	Hostname  string
	Cwd       string
	Loopback  bool
	Cgroup    string
	Errors    map[string]string // what was tried, and what came of it
	Umask     int
	Processes []string // in /proc
	Files     map[string]string
	NoFile    unix.Rlimit
	Core      unix.Rlimit
}

// inside is what the program does in a container.
func inside(what string, args []string) int {
	switch what {
	case "hello":
		fmt.Println("hello")
		return 7
	case "wait":
		var b [1]byte
		os.Stdin.Read(b[:])
		return 0
	case "facts":
		json.NewEncoder(os.Stdout).Encode(gather(args))
		return 0
	case "escapes":
		json.NewEncoder(os.Stdout).Encode(tryEscapes())
		return 0
	case "asked":
		json.NewEncoder(os.Stdout).Encode(gatherAsked(args))
		return 0
	case "limits":
		return limitsInside()
	case "tty":
		return describeTerminal()
	case "overwrite":
		_, err := os.OpenFile("/proc/self/exe", os.O_WRONLY, 0)
		fmt.Println(err)
		return 0
	case "keys":
		fmt.Println("container:", hasKey())
		return 0
	case "launch":
		return launchGiven()
	case "launch-with-key":
		return launchWithKey()
	case "true":
		return 0
	}
	fmt.Println("unknown probe", what, args)
	return 99
}

func describeTerminal() int {
	ws, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		fmt.Println("no terminal:", err)
		return 1
	}
	name, _ := os.Readlink("/proc/self/fd/0")
	var st unix.Stat_t
	unix.Fstat(0, &st)
	pgrp, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	console, consoleErr := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	fmt.Printf("%dx%d %s uid %d gid %d foreground %v", ws.Col, ws.Row, name, st.Uid, st.Gid, err == nil && pgrp == unix.Getpgrp())
	fmt.Println(" console", consoleErr == nil)
	if consoleErr == nil {
		console.WriteString("written to the console\n")
	}
	return 0
}

func gather(read []string) facts {
	f := facts{Status: map[string]string{}, Errors: map[string]string{}, Files: map[string]string{}}
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") {
		if k, v, ok := strings.Cut(l, ":"); ok {
			f.Status[k] = strings.TrimSpace(v)
		}
	}
	// Before Go's poller opens descriptors of its own: what execve left.
	var st unix.Stat_t
	for fd := range 200 {
		if unix.Fstat(fd, &st) == nil {
			l, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			// Go's runtime opens the limits of its cgroup by itself.
			if !strings.HasPrefix(l, "anon_inode:") && !strings.HasPrefix(l, "/sys/fs/cgroup/") {
				f.FDs = append(f.FDs, fmt.Sprint(fd))
			}
		}
	}
	f.Env = os.Environ()
	f.Hostname, _ = os.Hostname()
	f.Cwd, _ = os.Getwd()
	if i, err := net.InterfaceByName("lo"); err == nil {
		f.Loopback = i.Flags&net.FlagUp != 0
	}
	b, _ = os.ReadFile("/proc/self/cgroup")
	f.Cgroup = string(b)
	f.Umask = unix.Umask(0)
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if e.Name()[0] >= '0' && e.Name()[0] <= '9' {
			f.Processes = append(f.Processes, e.Name())
		}
	}
	unix.Getrlimit(unix.RLIMIT_NOFILE, &f.NoFile)
	unix.Getrlimit(unix.RLIMIT_CORE, &f.Core)
	for _, p := range read {
		b, err := os.ReadFile(p)
		f.Files[p] = fmt.Sprintf("%s %v", strings.TrimSpace(string(b)), err)
	}
	attempt(f.Errors)
	return f
}

// attempt tries what a container must not be able to do.
func attempt(e map[string]string) {
	note := func(what string, err error) {
		var n syscall.Errno
		switch {
		case err == nil || err == syscall.Errno(0):
			e[what] = "done"
		case errors.As(err, &n):
			e[what] = unix.ErrnoName(n)
		default:
			e[what] = err.Error()
		}
	}
	note("mount", unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	note("unshare", unix.Unshare(unix.CLONE_NEWUSER))
	_, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
	note("keyctl", err)
	_, _, errno := unix.RawSyscall(unix.SYS_BPF, 0, 0, 0)
	note("bpf", errno)
	_, _, errno = unix.RawSyscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
	note("io_uring", errno)
	_, _, errno = unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	note("clone3", errno)
	_, _, errno = unix.RawSyscall(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0)
	note("clone newuser", errno)
	_, err = unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	note("vsock", err)
	_, err = unix.Socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)
	note("af_alg", err)
	note("mknod", unix.Mknod("/bin/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	note("pivot_root", unix.PivotRoot("/", "/"))
	note("write sysctl", os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
	note("write sysfs", os.WriteFile("/sys/kernel/uevent_helper", []byte("x"), 0))
	note("write /dev/null", os.WriteFile("/dev/null", []byte("x"), 0))
	b := make([]byte, 8)
	if z, err := os.Open("/dev/zero"); err == nil {
		_, err = z.Read(b)
		note("read /dev/zero", err)
	}
	k, err := os.ReadFile("/proc/version")
	e["masked file"] = fmt.Sprintf("%d bytes %v", len(k), err)
	d, err := os.ReadDir("/proc/driver")
	e["masked folder"] = fmt.Sprintf("%d entries %v", len(d), err)
	note("write masked", os.WriteFile("/proc/driver/x", nil, 0o600))
	l, err := os.ReadDir("/sys/firmware")
	e["firmware"] = fmt.Sprintf("%d entries %v", len(l), err)
	// Through ".." from the root, and through a link to it.
	old, _ := os.ReadDir("/..")
	var names []string
	for _, x := range old {
		names = append(names, x.Name())
	}
	slices.Sort(names)
	e["above root"] = strings.Join(names, " ")
	var caps [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	unix.Capget(&hdr, &caps[0])
	caps[0].Permitted |= 1 << unix.CAP_SYS_ADMIN
	note("gain SYS_ADMIN", unix.Capset(&hdr, &caps[0]))
	runtime.KeepAlive(unsafe.Pointer(&caps))
}

// launchGiven launches the spec that it reads.
func launchGiven() int {
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	var s specs.Spec
	err := json.NewDecoder(os.Stdin).Decode(&s)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p, err := Create(context.Background(), Config{Spec: &s, Rootfs: -1, Stdio: [3]int{-1, -1, -1}})
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p.Wait()
	return 0
}
