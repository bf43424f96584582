package plan

import (
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// process plans what is left once the process stands in its container: its
// descriptors, its rights, and the command.
func (b *builder) process(p *specs.Process) {
	b.stdio(p)
	b.lateLimits(p)
	b.personality()
	c := b.capabilities(p)
	b.dropBounding(c)
	filtered := b.spec.Linux != nil && b.spec.Linux.Seccomp != nil
	asks := filtered && notifies(b.spec.Linux.Seccomp)
	if filtered && !p.NoNewPrivileges {
		// Without no_new_privs the filter needs CAP_SYS_ADMIN (seccomp(2)),
		// which is about to go.
		b.seccomp()
	}
	b.user(p, c)
	where := call("getcwd", scratch(4096), num(4096)).check(CheckInside)
	if filtered && !p.NoNewPrivileges {
		// The filter may forbid the question. All descriptors by which a path
		// could lead out are closed by now.
		where = where.ignore("EPERM", "ENOSYS")
	}
	b.step(Child, "change-folder", []string{"path", p.Cwd}, 0, call("chdir", str(p.Cwd)), where)
	mask := uint32(0o022)
	if p.User.Umask != nil {
		mask = *p.User.Umask
	}
	b.step(Child, "umask", []string{"umask", octal(mask).String()}, 0, call("umask", octal(mask)))
	if p.NoNewPrivileges {
		b.step(Child, "no-new-privileges", nil, 0, call("prctl", flags("PR_SET_NO_NEW_PRIVS"), num(1), num(0), num(0), num(0)))
	}
	b.lookup(p)
	if asks && p.NoNewPrivileges {
		// While the launcher is there to hand the listener on.
		b.seccomp()
	}
	if !b.opt.Straight {
		b.step(Child, "wait-for-start", nil, 1,
			call("write", num(3+b.opt.PreserveFDs), str("c"), num(1)),
			call("read", num(4+b.opt.PreserveFDs), scratch(8), num(1)).check(CheckOne))
	}
	if filtered && !asks && p.NoNewPrivileges {
		b.seccomp()
	}
	b.step(Child, "execute", []string{"command", strings.Join(p.Args, " ")}, 0,
		call("execve", ref("command"), strs(p.Args), strs(p.Env)))
}

// stdio puts the descriptors where the command expects them, and closes every
// other one for good: what is only marked close-on-exec could still be reached
// as a working folder (CVE-2024-21626). What is left is two pipes: the one that
// reports, by its end too, and the one that waits for the start.
func (b *builder) stdio(p *specs.Process) {
	in, out, err := ref("stdin"), ref("stdout"), ref("stderr")
	if p.Terminal {
		in, out, err = ref("slave"), ref("slave"), ref("slave")
	}
	b.step(Child, "stdio", nil, 0, call("dup3", in, num(0), num(0)), call("dup3", out, num(1), num(0)), call("dup3", err, num(2), num(0)))
	if p.Terminal {
		b.step(Child, "controlling-terminal", nil, 0, call("ioctl", num(0), flags("TIOCSCTTY"), num(0)))
	}
	n := 3 + b.opt.PreserveFDs
	pipes := []Call{call("dup3", ref("report"), num(n), flags("O_CLOEXEC"))}
	if !b.opt.Straight {
		pipes = append(pipes, call("dup3", ref("start"), num(n+1), flags("O_CLOEXEC")))
	}
	b.step(Child, "close-descriptors", []string{"first", strconv.Itoa(n)}, -1,
		append(pipes, call("close_range", num(n+len(pipes)), flags("~0U"), num(0)))...)
}

// lateLimits sets the limit of open files, which the launch itself needed.
func (b *builder) lateLimits(p *specs.Process) {
	var found bool
	for _, r := range p.Rlimits {
		if r.Type == "RLIMIT_NOFILE" {
			found = true
			b.step(Child, "limit", limitArgs(r.Type, r.Soft, r.Hard), 0, call("prlimit64", num(0), flags(r.Type), rlimit(r.Soft, r.Hard), null()))
		}
	}
	if o := b.opt.OpenFiles; !found && o[0] != 0 {
		b.step(Child, "limit", limitArgs("RLIMIT_NOFILE", o[0], o[1]), 0, call("prlimit64", num(0), flags("RLIMIT_NOFILE"), rlimit(o[0], o[1]), null()))
	}
}

// priorities plans who gets processors and disks first. Only rights on the host
// allow the higher ones (sched(7), ioprio_set(2)).
func (b *builder) priorities(w Where, pid Arg) {
	p := b.spec.Process
	if io := p.IOPriority; io != nil {
		class := map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}[io.Class]
		if class == 0 {
			b.err = invalid("process.ioPriority", "has the unknown class "+string(io.Class))
			return
		}
		b.step(w, "io-priority", []string{"class", string(io.Class), "priority", strconv.Itoa(io.Priority)}, 0,
			call("ioprio_set", num(1), pid, num(class<<13|io.Priority)))
	}
	s := p.Scheduler
	if s == nil {
		return
	}
	switch s.Policy {
	case specs.SchedOther, specs.SchedFIFO, specs.SchedRR, specs.SchedBatch, specs.SchedISO, specs.SchedIdle, specs.SchedDeadline:
	default:
		b.err = invalid("process.scheduler", "has the unknown policy "+string(s.Policy))
		return
	}
	var names []string
	for _, f := range s.Flags {
		switch f {
		case specs.SchedFlagResetOnFork, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun, specs.SchedFlagKeepPolicy, specs.SchedFlagKeepParams:
			names = append(names, string(f))
		default: // the clamps need values, for which config.json has no place
			b.err = unsupported("process.scheduler.flags " + string(f))
			return
		}
	}
	b.step(w, "scheduler", []string{"policy", string(s.Policy)}, 0, call("sched_setattr", pid, record(
		field("size", 4, num(48)), field("sched_policy", 4, flags(string(s.Policy))), field("sched_flags", 8, flags(join(names))),
		field("sched_nice", 4, num(int(s.Nice))), field("sched_priority", 4, num(int(s.Priority))),
		field("sched_runtime", 8, unsigned(s.Runtime)), field("sched_deadline", 8, unsigned(s.Deadline)), field("sched_period", 8, unsigned(s.Period)),
	), num(0)))
}

func (b *builder) personality() {
	if b.spec.Linux == nil || b.spec.Linux.Personality == nil {
		return
	}
	pe := b.spec.Linux.Personality
	domain := map[specs.LinuxPersonalityDomain]int{specs.PerLinux: 0, specs.PerLinux32: 8}
	d, ok := domain[pe.Domain]
	if !ok || len(pe.Flags) > 0 {
		b.err = unsupported("linux.personality " + string(pe.Domain))
		return
	}
	b.step(Child, "personality", []string{"domain", string(pe.Domain)}, 0, call("personality", num(d)))
}

// seccomp installs the filter. Speculative store bypass is left as it is for
// the process, unless the config's flags say so, as runc has it.
func (b *builder) seccomp() {
	fl := []string{}
	for _, f := range b.spec.Linux.Seccomp.Flags {
		switch f {
		case specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagWaitKillableRecv:
			fl = append(fl, string(f))
		default:
			b.err = unsupported("linux.seccomp.flags " + string(f))
			return
		}
	}
	if b.spec.Linux.Seccomp.Flags == nil {
		fl = append(fl, "SECCOMP_FILTER_FLAG_SPEC_ALLOW")
	}
	asks := notifies(b.spec.Linux.Seccomp)
	if asks {
		fl = append(fl, "SECCOMP_FILTER_FLAG_NEW_LISTENER")
	}
	load := call("seccomp", flags("SECCOMP_SET_MODE_FILTER"), flags(join(fl)), Arg{Kind: KindProgram, Text: "linux.seccomp"})
	if asks {
		load = load.as(Listener)
	}
	b.step(Child, "seccomp", []string{"default", string(b.spec.Linux.Seccomp.DefaultAction)}, 0, load)
	if asks {
		b.step(Child, "tell-listener", []string{"path", b.spec.Linux.Seccomp.ListenerPath}, 0,
			call("write", num(3+b.opt.PreserveFDs), str("s"), num(1)))
	}
}

// Listener is the name of the result by which an agent hears what a filter asks
// (seccomp_unotify(2)). The launcher takes it from the child and hands it on.
const Listener = "listener"

// lookup finds the command now, so that a missing one is known when the
// container is created and not when it is started.
func (b *builder) lookup(p *specs.Process) {
	name := p.Args[0]
	paths := []string{name}
	if !strings.Contains(name, "/") {
		paths = nil
		// execvp(3) has a default, os/exec has none; callers match on the
		// words of the latter.
		for _, e := range p.Env {
			v, ok := strings.CutPrefix(e, "PATH=")
			if !ok {
				continue
			}
			paths = nil
			for _, d := range strings.Split(v, ":") {
				if d == "" {
					d = "."
				}
				// Only absolute folders: a relative one would be looked up in
				// the working folder, which the image chooses.
				if path.IsAbs(d) {
					paths = append(paths, path.Join(d, name))
				}
			}
		}
	}
	b.step(Child, "find-command", []string{"command", name}, 0, call(Lookup, str(name), strs(paths)).as("command"))
}
