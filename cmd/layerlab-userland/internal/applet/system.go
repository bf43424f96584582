//go:build linux

package applet

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func uname(c Call) error {
	f := c.flags("[-a] [-s] [-n] [-r] [-v] [-m]")
	var want [5]bool
	all := f.BoolP("all", "a", false, "everything")
	f.BoolVarP(&want[0], "kernel-name", "s", false, "name of the kernel")
	f.BoolVarP(&want[1], "nodename", "n", false, "name of the host")
	f.BoolVarP(&want[2], "kernel-release", "r", false, "release of the kernel")
	f.BoolVarP(&want[3], "kernel-version", "v", false, "version of the kernel")
	f.BoolVarP(&want[4], "machine", "m", false, "processor")
	if _, err := c.parse(f, 0); err != nil {
		return err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return os.NewSyscallError("uname", err)
	}
	if !slices.Contains(want[:], true) {
		want[0] = true
	}
	var words []string
	for i, field := range [][65]byte{u.Sysname, u.Nodename, u.Release, u.Version, u.Machine} {
		if want[i] || *all {
			words = append(words, unix.ByteSliceToString(field[:]))
		}
	}
	fmt.Fprintln(c.Stdout, strings.Join(words, " "))
	return nil
}

func id(c Call) error {
	f := c.flags("[-u] [-g] [-n]")
	user := f.BoolP("user", "u", false, "the user only")
	group := f.BoolP("group", "g", false, "the group only")
	name := f.BoolP("name", "n", false, "names instead of numbers")
	if _, err := c.parse(f, 0); err != nil {
		return err
	}
	known := accounts()
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	one := func(id uint32, text string) error {
		if !*name {
			text = strconv.FormatUint(uint64(id), 10)
		}
		fmt.Fprintln(c.Stdout, text)
		return nil
	}
	switch {
	case *user:
		return one(uid, known.user(uid))
	case *group:
		return one(gid, known.group(gid))
	}
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	if !slices.Contains(groups, int(gid)) {
		groups = append([]int{int(gid)}, groups...)
	}
	both := func(id uint32, text string) string { return fmt.Sprintf("%d(%s)", id, text) }
	var list []string
	for _, g := range groups {
		list = append(list, both(uint32(g), known.group(uint32(g))))
	}
	fmt.Fprintf(c.Stdout, "uid=%s gid=%s groups=%s\n", both(uid, known.user(uid)), both(gid, known.group(gid)), strings.Join(list, ","))
	return nil
}

func whoami(c Call) error {
	fmt.Fprintln(c.Stdout, accounts().user(uint32(os.Geteuid())))
	return nil
}

func hostname(c Call) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, name)
	return nil
}

// mount shows what is mounted, from /proc/self/mountinfo (proc_pid_mountinfo(5)).
func mount(c Call) error {
	if len(c.Args) > 0 {
		return errors.New("this one only shows what is mounted")
	}
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	for _, m := range mounts {
		fmt.Fprintf(c.Stdout, "%s on %s type %s (%s)\n", m.source, m.point, m.kind, m.options)
	}
	return nil
}

type mountPoint struct{ source, point, kind, options string }

func readMounts() ([]mountPoint, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var mounts []mountPoint
	// Spaces in names stand there as \040.
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	s := bufio.NewScanner(file)
	for s.Scan() {
		left, right, ok := strings.Cut(s.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 3 {
			continue
		}
		mounts = append(mounts, mountPoint{
			source: unescape.Replace(r[1]), point: unescape.Replace(l[4]), kind: r[0], options: l[5] + strings.TrimPrefix(strings.TrimPrefix(","+r[2], ",rw"), ",ro"),
		})
	}
	return mounts, s.Err()
}

func df(c Call) error {
	f := c.flags("[-h] [PATH…]")
	human := f.BoolP("human-readable", "h", false, "sizes as 1.5K, 2.0M")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "%-20s %10s %10s %10s %4s %s\n", "Filesystem", "Size", "Used", "Available", "Use%", "Mounted on")
	show := func(source, point string) error {
		var st unix.Statfs_t
		if err := unix.Statfs(point, &st); err != nil || st.Blocks == 0 {
			return err
		}
		unit := int64(st.Frsize)
		total, avail := int64(st.Blocks)*unit, int64(st.Bavail)*unit
		used := total - int64(st.Bfree)*unit
		size := func(n int64) string {
			if *human {
				return humanSize(n)
			}
			return strconv.FormatInt(n/1024, 10)
		}
		percent := 0
		if used+avail > 0 {
			percent = int((used*100 + used + avail - 1) / (used + avail))
		}
		_, err := fmt.Fprintf(c.Stdout, "%-20s %10s %10s %10s %3d%% %s\n", source, size(total), size(used), size(avail), percent, point)
		return err
	}
	if len(args) > 0 {
		return c.each(args, func(path string) error { return show("-", path) })
	}
	for _, m := range mounts {
		if err := show(m.source, m.point); err != nil && !errors.Is(err, unix.EACCES) {
			return err
		}
	}
	return nil
}

// date prints the time, in the manner of date(1); +FORMAT knows the common letters.
func date(c Call) error {
	f := c.flags("[-u] [+FORMAT]")
	utc := f.BoolP("utc", "u", false, "in UTC")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	now := time.Now()
	if *utc {
		now = now.UTC()
	}
	if len(args) == 0 {
		fmt.Fprintln(c.Stdout, now.Format("Mon Jan _2 15:04:05 MST 2006"))
		return nil
	}
	format, ok := strings.CutPrefix(args[0], "+")
	if !ok {
		return usageError{errors.New("this one does not set the time")}
	}
	fmt.Fprintln(c.Stdout, strings.NewReplacer(
		"%Y", now.Format("2006"), "%m", now.Format("01"), "%d", now.Format("02"),
		"%H", now.Format("15"), "%M", now.Format("04"), "%S", now.Format("05"),
		"%F", now.Format("2006-01-02"), "%T", now.Format("15:04:05"), "%Z", now.Format("MST"), "%z", now.Format("-0700"),
		"%s", strconv.FormatInt(now.Unix(), 10), "%N", fmt.Sprintf("%09d", now.Nanosecond()),
		"%a", now.Format("Mon"), "%A", now.Format("Monday"), "%b", now.Format("Jan"), "%B", now.Format("January"),
		"%j", fmt.Sprintf("%03d", now.YearDay()), "%%", "%",
	).Replace(format))
	return nil
}

func sleep(c Call) error {
	if len(c.Args) == 0 {
		return usageError{errors.New("usage: sleep SECONDS…")}
	}
	total := time.Duration(0)
	for _, a := range c.Args {
		d, err := time.ParseDuration(a)
		if err != nil {
			seconds, ferr := strconv.ParseFloat(a, 64)
			if ferr != nil || seconds < 0 {
				return usageError{fmt.Errorf("%q is not a time", a)}
			}
			d = time.Duration(seconds * float64(time.Second))
		}
		total += d
	}
	time.Sleep(total)
	return nil
}

// env prints the environment, or runs a command in a changed one.
func env(c Call) error {
	environ := os.Environ()
	args := c.Args
	if len(args) > 0 && (args[0] == "-i" || args[0] == "-") {
		environ, args = nil, args[1:]
	}
	for len(args) > 0 && strings.Contains(args[0], "=") {
		environ, args = append(environ, args[0]), args[1:]
	}
	if len(args) == 0 {
		for _, kv := range environ {
			fmt.Fprintln(c.Stdout, kv)
		}
		return nil
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		c.complain(fmt.Errorf("%s: not found", args[0]))
		return Status(127)
	}
	return os.NewSyscallError("execve", unix.Exec(path, args, environ))
}

func printenv(c Call) error {
	if len(c.Args) == 0 {
		return env(Call{Stdout: c.Stdout})
	}
	status := error(nil)
	for _, key := range c.Args {
		value, ok := os.LookupEnv(key)
		if !ok {
			status = Status(1)
			continue
		}
		fmt.Fprintln(c.Stdout, value)
	}
	return status
}

func tty(c Call) error {
	in, ok := c.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		fmt.Fprintln(c.Stdout, "not a tty")
		return Status(1)
	}
	name, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, name)
	return nil
}

func nproc(c Call) error {
	fmt.Fprintln(c.Stdout, runtime.NumCPU())
	return nil
}

func free(c Call) error {
	f := c.flags("[-h] [-m]")
	human := f.BoolP("human", "h", false, "sizes as 1.5K, 2.0M")
	mega := f.BoolP("mebi", "m", false, "in MiB")
	if _, err := c.parse(f, 0); err != nil {
		return err
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err
	}
	kib := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 {
			kib[strings.TrimSuffix(fields[0], ":")], _ = strconv.ParseInt(fields[1], 10, 64)
		}
	}
	size := func(n int64) string {
		switch {
		case *human:
			return humanSize(n * 1024)
		case *mega:
			return strconv.FormatInt(n/1024, 10)
		}
		return strconv.FormatInt(n, 10)
	}
	fmt.Fprintf(c.Stdout, "%-6s %12s %12s %12s\n", "", "total", "free", "available")
	fmt.Fprintf(c.Stdout, "%-6s %12s %12s %12s\n", "Mem:", size(kib["MemTotal"]), size(kib["MemFree"]), size(kib["MemAvailable"]))
	fmt.Fprintf(c.Stdout, "%-6s %12s %12s\n", "Swap:", size(kib["SwapTotal"]), size(kib["SwapFree"]))
	return nil
}

func uptime(c Call) error {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return err
	}
	fields := strings.Fields(string(b))
	if len(fields) == 0 {
		return errors.New("/proc/uptime is empty")
	}
	seconds, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "%s up %s\n", time.Now().Format("15:04:05"), (time.Duration(seconds) * time.Second).String())
	return nil
}

func syncDisks(Call) error {
	unix.Sync()
	return nil
}

func clearScreen(c Call) error {
	_, err := c.Stdout.Write([]byte("\x1b[H\x1b[2J\x1b[3J"))
	return err
}
