//go:build linux

// Command layerlab-runtime is an OCI runtime: it takes the command line that
// runc, crun and youki share, so that podman, containerd and Docker can use it.
//
//	layerlab-runtime [--root DIR] [--log FILE] COMMAND [options] ARGUMENTS
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/calm"
	"github.com/layerlab/layerlab/runtime/container"
)

// command is one word of the command line.
type command struct {
	name  string
	about string
	run   func(ctx context.Context, g *global, args []string) error
}

func commands() []command {
	return []command{
		{"create", "make a container from a bundle; its process waits", create},
		{"start", "let a created container's process run", start},
		{"run", "create and start, and wait unless detached", run},
		{"state", "print a container's state", state},
		{"kill", "send a signal to a container", kill},
		{"delete", "remove a stopped container", remove},
		{"exec", "run a further process in a container", execute},
		{"list", "list containers", list},
		{"ps", "list a container's processes", ps},
		{"pause", "freeze all processes of a container", pause},
		{"resume", "let a paused container go on", resume},
		{"update", "change a container's limits", update},
		{"events", "print what a container uses", events},
		{"spec", "write a config.json to begin with", spec},
		{"features", "print what this runtime supports", features},
		{"plan", "print every step of starting a bundle, with its reason", printPlan},
	}
}

// global are the options before the command.
type global struct {
	store  container.Store
	log    string
	json   bool
	out    io.Writer
	errOut io.Writer
}

// exitCode ends the program with a code and without a message.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	// Without the right to it all goes slower, and that is all.
	_ = calm.Monitor(10 * time.Millisecond)
	// Until execve a container's process is a copy of this one: nothing inside
	// may look into it (CVE-2016-9962).
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "layerlab-runtime: prctl PR_SET_DUMPABLE:", err)
		os.Exit(1)
	}
	os.Exit(entry(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

func entry(ctx context.Context, args []string, out, errOut io.Writer) int {
	g := &global{out: out, errOut: errOut}
	var systemd, verbose, version bool
	var format, rootless, criu string
	fs := newFlags("layerlab-runtime", errOut)
	fs.StringVar(&g.store.Root, "root", defaultRoot(), "folder of the containers' states")
	fs.StringVar(&g.log, "log", "", "file that errors are appended to")
	fs.StringVar(&format, "log-format", "text", "text or json")
	fs.BoolVar(&systemd, "systemd-cgroup", false, "refused: cgroups are made in the file system")
	fs.BoolVar(&verbose, "debug", false, "accepted; there is nothing more to tell")
	fs.StringVar(&rootless, "rootless", "auto", "accepted")
	fs.StringVar(&criu, "criu", "", "accepted; there is no checkpoint")
	fs.BoolVar(&version, "version", false, "print the version")
	fs.BoolVar(&version, "v", false, "print the version")
	fs.Usage = func() { usage(errOut, fs) }
	if err := fs.Parse(args); err != nil {
		return usageCode(err)
	}
	g.json = format == "json"
	if version {
		fmt.Fprintf(out, "layerlab-runtime version %s\nspec: %s\n", buildVersion(), specs.Version)
		return 0
	}
	if fs.NArg() == 0 {
		usage(errOut, fs)
		return 2
	}
	name := fs.Arg(0)
	if systemd && name != "features" && name != "list" && name != "state" {
		return g.report(name, noSystemd())
	}
	for _, c := range commands() {
		if c.name == name {
			return g.report(name, c.run(ctx, g, fs.Args()[1:]))
		}
	}
	switch name {
	case "help":
		usage(out, fs)
		return 0
	case "checkpoint", "restore":
		return g.report(name, fault.New(fault.ErrUnsupported, "unsupported-setting", name+" is not supported", "setting", name))
	}
	fmt.Fprintf(errOut, "layerlab-runtime: no command %q; try layerlab-runtime help\n", name)
	return 2
}

// noSystemd refuses --systemd-cgroup in the words that fit the host.
func noSystemd() error {
	const advice = "cgroups are made in the file system: use the cgroupfs driver (podman --cgroup-manager cgroupfs, dockerd --exec-opt native.cgroupdriver=cgroupfs)"
	why := "--systemd-cgroup is not supported"
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		why += ", and systemd is not reachable here (no /run/systemd/system)"
	}
	return fault.New(fault.ErrUnsupported, "unsupported-setting", why+"; "+advice, "setting", "--systemd-cgroup")
}

// report writes an error where callers look for it and returns the exit code.
func (g *global) report(name string, err error) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, flag.ErrHelp), errors.Is(err, errUsage):
		return usageCode(err)
	}
	text := err.Error()
	if name == "create" || name == "run" || name == "exec" {
		// The words that podman, Docker and containerd know from runc.
		text = "unable to start container process: " + text
	}
	g.writeLog(name + " failed: " + text)
	fmt.Fprintln(g.errOut, "layerlab-runtime:", err)
	if name == "exec" {
		return 255 // as runc: a code that commands seldom have
	}
	return 1
}

func defaultRoot() string {
	if os.Getuid() == 0 {
		return "/run/layerlab-runtime"
	}
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return filepath.Join(d, "layerlab-runtime")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("layerlab-runtime-%d", os.Getuid()))
}
