//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/config"
	"github.com/layerlab/layerlab/runtime/container"
	"github.com/layerlab/layerlab/runtime/file"
	"github.com/layerlab/layerlab/runtime/launch"
)

// execFlags are the options of exec.
type execFlags struct {
	console, cwd, user, process, pidFile string
	env, caps, gids, cgroups             words
	tty, detach, noNewPrivs, ignore      bool
	preserve                             int
}

func execute(ctx context.Context, g *global, args []string) error {
	var x execFlags
	fs := newFlags("exec", g.errOut)
	fs.StringVar(&x.console, "console-socket", "", "Unix socket that the terminal's master is sent to")
	fs.StringVar(&x.cwd, "cwd", "", "working folder; default: that of the container's process")
	bothString(fs, &x.user, "user", "u", "", "UID[:GID]")
	bothString(fs, &x.process, "process", "p", "", "file with the process as JSON (runtime-spec)")
	fs.StringVar(&x.pidFile, "pid-file", "", "file that the process id is written to")
	fs.Var(&x.env, "env", "NAME=VALUE, may be repeated")
	fs.Var(&x.env, "e", "short for --env")
	fs.Var(&x.caps, "cap", "capability to add, may be repeated")
	fs.Var(&x.caps, "c", "short for --cap")
	fs.Var(&x.gids, "additional-gids", "further group, may be repeated")
	fs.Var(&x.gids, "g", "short for --additional-gids")
	fs.Var(&x.cgroups, "cgroup", "refused: the process joins the container's cgroups")
	bothBool(fs, &x.tty, "tty", "t", "with a terminal")
	bothBool(fs, &x.detach, "detach", "d", "return when the process runs")
	fs.BoolVar(&x.noNewPrivs, "no-new-privs", false, "forbid gaining rights by execve")
	fs.BoolVar(&x.ignore, "ignore-paused", false, "exec in a paused container too")
	fs.IntVar(&x.preserve, "preserve-fds", 0, "number of further descriptors that the process gets")
	if err := parse(fs, args, 1, -1, "ID COMMAND [ARGUMENTS]"); err != nil {
		return err
	}
	if len(x.cgroups) > 0 {
		return fault.New(fault.ErrUnsupported, "unsupported-setting", "--cgroup is not supported", "setting", "--cgroup")
	}
	c, err := g.store.Load(fs.Arg(0))
	if err != nil {
		return err
	}
	// First of all: what is done before is done twice.
	if err := g.seal(c.Spec); err != nil {
		return err
	}
	switch st := c.Status(); {
	case st == specs.StateStopped:
		return fault.New(fault.ErrConflict, "container-stopped", "cannot exec in a stopped container")
	case st == container.Paused && !x.ignore:
		return fault.New(fault.ErrConflict, "container-paused", "cannot exec in a paused container (use --ignore-paused to override)")
	}
	p, err := x.spec(c, fs.Args()[1:])
	if err != nil {
		return err
	}
	if p.Terminal && x.detach && x.console == "" {
		return fmt.Errorf("cannot allocate tty if runc will detach without setting console socket")
	}
	group, err := c.Group()
	if err != nil {
		return err
	}
	proc, err := launch.ExecIn(ctx, launch.Target{PID: c.PID, Spec: c.Spec, Cgroup: group}, p,
		launch.ExecConfig{Stdio: [3]int{0, 1, 2}, PreserveFDs: x.preserve, EvenPaused: x.ignore, Listener: c.Listener})
	if err != nil {
		return err
	}
	if err := writePID(x.pidFile, proc.Pid()); err != nil {
		proc.Signal(unix.SIGKILL)
		return err
	}
	wait, err := connect(proc, x.console)
	if err != nil {
		proc.Signal(unix.SIGKILL)
		return err
	}
	if x.detach {
		return nil
	}
	code, err := wait()
	if err != nil {
		return err
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

// spec returns the process: that of the file, or the container's own with the
// options laid over it.
func (x *execFlags) spec(c *container.Container, args []string) (*specs.Process, error) {
	if x.process != "" {
		b, err := file.Read(x.process)
		if err != nil {
			return nil, err
		}
		p, err := config.Process(b)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", x.process, err)
		}
		return p, nil
	}
	if len(args) == 0 {
		return nil, fault.New(fault.ErrInvalid, "no-command", "process args cannot be empty")
	}
	p := *c.Spec.Process
	p.Args, p.Terminal = args, x.tty
	p.Env = append(append([]string{}, p.Env...), x.env...)
	if x.cwd != "" {
		p.Cwd = x.cwd
	}
	if x.noNewPrivs {
		p.NoNewPrivileges = true
	}
	if len(x.caps) > 0 {
		caps := specs.LinuxCapabilities{}
		if p.Capabilities != nil {
			caps = *p.Capabilities
		}
		for _, n := range x.caps {
			for _, set := range []*[]string{&caps.Bounding, &caps.Effective, &caps.Permitted} {
				*set = append(append([]string{}, *set...), n)
			}
		}
		p.Capabilities = &caps
	}
	if x.user != "" {
		u, gr, both := strings.Cut(x.user, ":")
		uid, err := strconv.ParseUint(u, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parsing %s as int for uid failed: %w", u, err)
		}
		p.User = specs.User{UID: uint32(uid), Umask: p.User.Umask}
		if both {
			gid, err := strconv.ParseUint(gr, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("parsing %s as int for gid failed: %w", gr, err)
			}
			p.User.GID = uint32(gid)
		}
	}
	for _, s := range x.gids {
		gid, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parsing %s as int for gid failed: %w", s, err)
		}
		p.User.AdditionalGids = append(p.User.AdditionalGids, uint32(gid))
	}
	return &p, nil
}
