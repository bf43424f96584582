package plan

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// cloneFlag returns the flag of clone(2) for a type of namespace, "" for one
// that this runtime does not make.
func cloneFlag(t specs.LinuxNamespaceType) string {
	switch t {
	case specs.UserNamespace:
		return "CLONE_NEWUSER"
	case specs.MountNamespace:
		return "CLONE_NEWNS"
	case specs.PIDNamespace:
		return "CLONE_NEWPID"
	case specs.NetworkNamespace:
		return "CLONE_NEWNET"
	case specs.UTSNamespace:
		return "CLONE_NEWUTS"
	case specs.IPCNamespace:
		return "CLONE_NEWIPC"
	case specs.CgroupNamespace:
		return "CLONE_NEWCGROUP"
	case specs.TimeNamespace:
		return "CLONE_NEWTIME"
	}
	return ""
}

// namespaces plans the clone and the joining of existing namespaces.
//
// The cgroup namespace is left to joinCgroup: it is made of where the process
// stands, so the process has to stand in its cgroup first.
//
// Existing namespaces are entered by a first child: setns(2) into a user
// namespace is refused to a process with threads, and one into a pid namespace
// only counts for children. The user namespace comes last, for it takes away
// the rights that the others need.
func (b *builder) namespaces() {
	var flagNames []string
	var joins []specs.LinuxNamespace
	var user *specs.LinuxNamespace
	for _, n := range b.spec.Linux.Namespaces {
		switch {
		case n.Path != "" && n.Type == specs.UserNamespace:
			user = &n
		case n.Path != "":
			joins = append(joins, n)
		case n.Type == specs.TimeNamespace:
			b.time()
		case n.Type != specs.CgroupNamespace:
			flagNames = append(flagNames, cloneFlag(n.Type))
		}
	}
	b.plan.Clone = strings.Join(flagNames, "|")
	if user != nil {
		joins = append(joins, *user)
	}
	b.plan.Apart = b.plan.Apart || b.joined(specs.TimeNamespace)
	for _, n := range joins {
		out := "ns-" + string(n.Type)
		b.step(Host, "open-namespace", []string{"type", string(n.Type), "path", n.Path}, 0,
			call("openat", here(), str(n.Path), flags("O_RDONLY|O_CLOEXEC")).as(out))
	}
	for _, n := range joins {
		b.step(Join, "join-namespace", []string{"type", string(n.Type), "path", n.Path}, 0,
			call("setns", ref("ns-"+string(n.Type)), flags(cloneFlag(n.Type))))
	}
}

// time plans a new time namespace. Who makes it stays outside, the children that
// it has afterwards are inside, and its clocks can be set until the first of
// them is born (time_namespaces(7)).
func (b *builder) time() {
	var text strings.Builder
	for _, clock := range []string{"monotonic", "boottime"} {
		if o, ok := b.spec.Linux.TimeOffsets[clock]; ok {
			text.WriteString(clock + " " + strconv.FormatInt(o.Secs, 10) + " " + strconv.FormatUint(uint64(o.Nanosecs), 10) + "\n")
		}
	}
	calls := []Call{call("unshare", flags("CLONE_NEWTIME"))}
	if text.Len() > 0 {
		calls = append(calls, writeFile("", "/proc/self/timens_offsets", text.String())...)
	}
	b.step(Join, "time-namespace", []string{"offsets", strings.ReplaceAll(strings.TrimSpace(text.String()), "\n", ", ")}, 0, calls...)
	b.plan.Apart = true
}

// enter plans how an exec gets into the container: one setns by the pidfd of
// its first process, then the root of that process.
func (b *builder) enter() {
	if b.opt.Target != "" {
		b.step(Join, "enter-container", []string{"namespaces", b.opt.Target}, 0,
			call("setns", ref("target"), flags(b.opt.Target)))
	}
	// The root of the mount namespace is the container's after pivot_root, but
	// not where the container was made without it.
	b.step(Join, "enter-root", nil, 1,
		call("fchdir", ref("target-root")), call("chroot", str(".")))
}

// maps plans what the parent writes while the child waits.
func (b *builder) maps() {
	if b.has(specs.UserNamespace) {
		b.step(Parent, "map-users", []string{"map", mapText(b.spec.Linux.UIDMappings)}, 1,
			writeFile("proc-pid", "uid_map", mapText(b.spec.Linux.UIDMappings))...)
		b.step(Parent, "map-groups", []string{"map", mapText(b.spec.Linux.GIDMappings)}, 1,
			writeFile("proc-pid", "gid_map", mapText(b.spec.Linux.GIDMappings))...)
	}
}

func mapText(m []specs.LinuxIDMapping) string {
	var s strings.Builder
	for _, x := range m {
		for i, n := range []uint32{x.ContainerID, x.HostID, x.Size} {
			if i > 0 {
				s.WriteByte(' ')
			}
			s.WriteString(strconv.FormatUint(uint64(n), 10))
		}
		s.WriteByte('\n')
	}
	return s.String()
}

// writeFile returns the calls that write text into a file below the folder that
// a result names; "" is for an absolute name.
func writeFile(dir, name, text string) []Call {
	out := "file-" + strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", "-")
	at := here()
	if dir != "" {
		at = ref(dir)
	}
	return []Call{
		call("openat", at, str(name), flags("O_WRONLY|O_CLOEXEC")).as(out),
		call("write", ref(out), str(text), num(len(text))),
		call("close", ref(out)),
	}
}

// waitForParent makes the child wait until the parent's steps are done.
func (b *builder) waitForParent() {
	b.step(Child, "wait-for-parent", nil, 0,
		call("read", ref("go"), scratch(8), num(1)).check(CheckOne))
}

// becomeRoot makes the child user 0 of its user namespace.
func (b *builder) becomeRoot() {
	l := b.spec.Linux
	user := b.has(specs.UserNamespace) || b.joined(specs.UserNamespace) || strings.Contains(b.opt.Target, "CLONE_NEWUSER")
	if l == nil || !user {
		b.step(Child, "clear-umask", nil, 0, call("umask", octal(0)))
		return
	}
	b.step(Child, "become-root", nil, 2,
		call("setgroups", num(0), null()).ignore("EPERM"),
		call("setresgid", num(0), num(0), num(0)),
		call("setresuid", num(0), num(0), num(0)))
	b.step(Child, "clear-umask", nil, 0, call("umask", octal(0)))
}

// session starts a session and, where the kernel has keyrings, an empty one.
func (b *builder) session() {
	b.step(Child, "new-session", nil, 0, call("setsid"))
	// A kernel without keyrings says ENOSYS, a user over quota EDQUOT.
	b.step(Child, "new-keyring", nil, 0,
		call("keyctl", flags("KEYCTL_JOIN_SESSION_KEYRING"), null()).ignore("ENOSYS", "EDQUOT", "EPERM"))
}

// bornInCgroup opens the folder of the cgroup that the child is born in. To move
// there later it would have to wait until nobody forks or ends; a thread that
// moves itself in a hierarchy of cgroup v1 waits for nobody.
func (b *builder) bornInCgroup() {
	dir := b.opt.CgroupFolder
	if dir == "" || b.plan.Apart {
		return // only a child that shares our memory can be born elsewhere
	}
	b.opt.CgroupFiles = slices.DeleteFunc(slices.Clone(b.opt.CgroupFiles), func(f string) bool { return path.Dir(f) == dir })
	b.step(Host, "open-cgroup", []string{"path", dir}, 0,
		call("openat", here(), str(dir), flags("O_PATH|O_DIRECTORY|O_CLOEXEC")).as(CgroupFolder))
	if b.plan.Clone != "" {
		b.plan.Clone += "|"
	}
	b.plan.Clone += "CLONE_INTO_CGROUP"
}

// CgroupFolder is the name of the result that CLONE_INTO_CGROUP refers to.
const CgroupFolder = "cgroup"

// cgroupHost opens the files by which the child joins its cgroups.
func (b *builder) cgroupHost() {
	for i, f := range b.opt.CgroupFiles {
		b.step(Host, "open-cgroup", []string{"path", f}, 0,
			call("openat", here(), str(f), flags("O_WRONLY|O_CLOEXEC")).as("cgroup"+strconv.Itoa(i)))
	}
}

// joinCgroup puts the child into its cgroups and makes the cgroup namespace of
// there.
func (b *builder) joinCgroup() {
	b.joinCgroupIn(Child)
	if b.has(specs.CgroupNamespace) {
		b.step(Child, "new-cgroup-namespace", nil, 0, call("unshare", flags("CLONE_NEWCGROUP")))
	}
}

func (b *builder) joinCgroupIn(w Where) {
	var calls []Call
	for i := range b.opt.CgroupFiles {
		calls = append(calls, call("write", ref("cgroup"+strconv.Itoa(i)), str("0"), num(1)))
	}
	b.step(w, "join-cgroup", []string{"count", strconv.Itoa(len(calls))}, 0, calls...)
}

// limits plans what only the launcher's rights allow: it does so itself, or the
// first child does before it enters the container and loses them.
func (b *builder) limits(w Where) {
	p := b.spec.Process
	if p.OOMScoreAdj != nil {
		text := strconv.Itoa(*p.OOMScoreAdj)
		calls := writeFile("proc-pid", "oom_score_adj", text)
		if w == Join {
			calls = writeFile("", "/proc/self/oom_score_adj", text)
		}
		b.step(w, "oom-score", []string{"score", text}, 1, calls...)
	}
	pid := ref("pid")
	if w == Join {
		pid = num(0)
	}
	b.priorities(w, pid)
	for _, r := range p.Rlimits {
		soft, hard := r.Soft, r.Hard
		if r.Type == "RLIMIT_NOFILE" {
			// The launch itself opens about a hundred files: the limit proper
			// is set at the end, here only its ceiling is raised.
			if hard < 4096 {
				continue
			}
			soft = hard
		}
		b.step(w, "limit", limitArgs(r.Type, soft, hard), 0,
			call("prlimit64", pid, flags(r.Type), rlimit(soft, hard), null()))
	}
}

func limitArgs(name string, soft, hard uint64) []string {
	f := func(n uint64) string {
		if n == ^uint64(0) {
			return "unlimited"
		}
		return strconv.FormatUint(n, 10)
	}
	return []string{"limit", name, "soft", f(soft), "hard", f(hard)}
}

func rlimit(soft, hard uint64) Arg {
	return record(field("rlim_cur", 8, unsigned(soft)), field("rlim_max", 8, unsigned(hard)))
}
