//go:build linux

package applet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is a row of ps, from /proc/PID (proc_pid_stat(5)).
type process struct {
	pid, ppid int
	state     string
	uid       uint32
	command   string
	rss       int64 // pages
}

func ps(c Call) error {
	// BSD and System V spell it differently (aux, -ef): all processes, always.
	known := accounts()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	var all []process
	for _, dir := range dirs {
		if p, ok := readProcess(dir); ok { // it may have ended meanwhile
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b process) int { return a.pid - b.pid })
	fmt.Fprintf(c.Stdout, "%5s %5s %-8s %-4s %8s %s\n", "PID", "PPID", "USER", "STAT", "RSS", "COMMAND")
	for _, p := range all {
		if _, err := fmt.Fprintf(c.Stdout, "%5d %5d %-8s %-4s %8s %s\n", p.pid, p.ppid, known.user(p.uid), p.state,
			humanSize(p.rss*int64(os.Getpagesize())), p.command); err != nil {
			return err
		}
	}
	return nil
}

func readProcess(dir string) (process, bool) {
	var p process
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return p, false
	}
	// The name stands in parentheses and may hold some itself.
	text := string(b)
	open, closing := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || closing < open {
		return p, false
	}
	fields := strings.Fields(text[closing+1:])
	if len(fields) < 22 {
		return p, false
	}
	p.pid, _ = strconv.Atoi(filepath.Base(dir))
	p.state = fields[0]
	p.ppid, _ = strconv.Atoi(fields[1])
	p.rss, _ = strconv.ParseInt(fields[21], 10, 64)
	p.command = "[" + text[open+1:closing] + "]"
	if line, err := os.ReadFile(dir + "/cmdline"); err == nil && len(line) > 0 {
		p.command = quote(strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "))
	}
	var st unix.Stat_t
	if unix.Stat(dir, &st) == nil {
		p.uid = st.Uid
	}
	return p, true
}

func kill(c Call) error {
	args := c.Args
	sig := unix.SIGTERM
	if len(args) > 0 && args[0] == "-l" {
		for s := unix.Signal(1); s < 32; s++ {
			fmt.Fprintf(c.Stdout, "%2d %s\n", int(s), strings.TrimPrefix(unix.SignalName(s), "SIG"))
		}
		return nil
	}
	if len(args) > 1 && args[0] == "-s" {
		args = append([]string{"-" + args[1]}, args[2:]...)
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		name := strings.ToUpper(args[0][1:])
		if n, err := strconv.Atoi(name); err == nil {
			sig = unix.Signal(n)
		} else if sig = unix.SignalNum("SIG" + strings.TrimPrefix(name, "SIG")); sig == 0 {
			return usageError{fmt.Errorf("%s: no such signal, see kill -l", args[0])}
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return usageError{errors.New("usage: kill [-SIGNAL] PID…")}
	}
	return c.each(args, func(arg string) error {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			return fmt.Errorf("%s: not a process id", arg)
		}
		if err := unix.Kill(pid, sig); err != nil {
			return fmt.Errorf("%d: %w", pid, err)
		}
		return nil
	})
}
