//go:build linux

// Command speed measures layerlab-runtime beside crun and runc in one run and
// prints a table: the median of each, and how ours compares.
//
//	speed [-runtime FILE] [-helper FILE] [-n ROUNDS] [-only REGEXP]
//
// The runtimes take turns round by round, so that a busy machine is busy for all
// of them. Processor time and context switches are those of the command and of
// what it waited for; they are steadier than the clock. Look at the ratios.
//
// Layers: layerlab starts from layers as its server does, by a shim that lays
// idmapped layers over one another and removes nothing from the host's view. crun
// and runc know no layers: they get a root that was mounted by mount(2) with
// short names, as engines do, and its mounting and unmounting is counted. So does
// our command line, for comparison.
//
// crun 1.8 refuses hosts with v1 and v2 cgroups side by side. It is measured in a
// mount namespace that has cgroup2 alone, with its cgroups disabled; ours makes
// one there all the same. runc is measured on the host as it is, with cgroups.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"

	"golang.org/x/sys/unix"
)

func main() {
	bin := flag.String("runtime", "bin/layerlab-runtime", "the runtime to measure")
	helper := flag.String("helper", "bin/layerlab-helper", "the shim's program")
	rounds := flag.Int("n", 41, "rounds of each comparison")
	only := flag.String("only", ".", "regular expression of the comparisons to make")
	inner := flag.Bool("cgroup2-alone", false, "this is the process in its own mount namespace")
	flag.Parse()
	if err := run(*bin, *helper, *rounds, *only, *inner); err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

func run(bin, helper string, rounds int, only string, inner bool) error {
	if os.Getuid() != 0 || runtime.GOARCH != "amd64" {
		return fmt.Errorf("needs root on amd64, this is user %d on %s", os.Getuid(), runtime.GOARCH)
	}
	want, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	if helper, err = filepath.Abs(helper); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "layerlab-speed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	b := &bench{dir: dir, bin: bin, helper: helper, rounds: rounds, want: want}
	if inner {
		// The mounts of this process's namespace, which unshare made private.
		if err := unix.Unmount("/sys/fs/cgroup", unix.MNT_DETACH); err != nil {
			return err
		}
		if err := unix.Mount("none", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil {
			return err
		}
		if err := b.besideCrun(); err != nil {
			return err
		}
		return b.layered()
	}
	fmt.Printf(header, "", "ms", "ours/it", "cpu ms", "ours/it", "switches")
	if err := b.besideRunc(); err != nil {
		return err
	}
	cmd := exec.Command("unshare", "-m", "/proc/self/exe", "-cgroup2-alone", "-runtime", bin, "-helper", helper, "-n", fmt.Sprint(rounds), "-only", only)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd.Args[2], cmd.Stdout, cmd.Stderr = self, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	return b.idle()
}
