package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/plan/words"
)

// Where says which process makes the calls of a step.
type Where string

const (
	Host   Where = "host"   // the launcher, before the fork
	Join   Where = "join"   // a first child, which enters existing namespaces
	Parent Where = "parent" // the launcher, while the child waits
	Child  Where = "child"  // the process that becomes the container's command
)

// Plan is what will be done to start one process, in order.
type Plan struct {
	// Clone holds the namespaces that the child is born into, by the flags of
	// clone(2), and CLONE_INTO_CGROUP if it, or the first child before it, is
	// born in its cgroup; "" for none.
	Clone string `json:"clone"`
	Steps []Step `json:"steps"`
	// Copies are made by the launcher between the host's steps and the fork.
	Copies []Copy `json:"copies,omitempty"`
	// Apart says that the children get a copy of the launcher's memory instead of
	// sharing it: no process shares memory across time namespaces.
	Apart bool `json:"apart,omitempty"`
}

// Copy fills a detached mount with what the root holds at a path (the mount
// option tmpcopyup). It is not a list of system calls: nobody knows before how
// many they are.
type Copy struct {
	From string `json:"from"` // path inside the root
	To   string `json:"to"`   // name of the result that holds the mount
}

// Step is one idea of a plan and the system calls that carry it out.
type Step struct {
	Code  string            `json:"code"`            // "mount-proc"; see package words; the page has its own for each
	Args  map[string]string `json:"args,omitempty"`  // what the words need
	Where Where             `json:"where"`           // who does it
	Call  string            `json:"call"`            // the call that matters most, as text (Describe)
	Calls []Call            `json:"calls,omitempty"` // all of them, in order
	Words string            `json:"words"`           // what is done, in English
	// Reason says what it is good for, Man where the manual has it, Without
	// what would go wrong if it were left out.
	Reason  string `json:"reason"`
	Man     string `json:"man"`
	Without string `json:"without"`

	main int      // index in Calls of the one that Call prints
	args []string // key and value in turn: Args, until Describe makes it
}

// Result is what came of a step: the trace of a launch is a list of them.
type Result struct {
	Step  int    `json:"step"`  // index in Plan.Steps
	Code  string `json:"code"`  // of that step
	Start int64  `json:"start"` // nanoseconds since the launch began
	Took  int64  `json:"took"`  // nanoseconds
	Calls int    `json:"calls"` // system calls made; fewer than planned where a condition skipped some
	OK    bool   `json:"ok"`
	Errno string `json:"errno,omitempty"` // "EPERM", of the call that failed
}

// Options are facts about the host and wishes of the caller. The zero value is
// a host with cgroup2, a root folder named by the config and no cgroup.
type Options struct {
	Rootfs bool // the launcher holds a detached mount that becomes the root
	// IsFile says whether a bind mount's source is something other than a
	// folder; nil: all are folders.
	IsFile func(path string) bool
	// Mounted says of which of the config's mounts, by index, the launcher holds
	// a detached mount already, as the result "bindN": who opened the source may
	// have had to judge it, and a path could mean something else by now.
	Mounted func(i int) bool
	// CgroupFiles are the files of the container's cgroups (tasks or
	// cgroup.procs) that the child writes itself into.
	CgroupFiles []string
	// CgroupFolder is the folder of the container's cgroup in cgroup2: the process
	// that the launcher starts is born in it (CLONE_INTO_CGROUP, clone(2)), and
	// its file among the CgroupFiles is not needed.
	CgroupFolder string
	// Hierarchies are the cgroup v1 hierarchies of the host as mount options
	// ("cpu,cpuacct", "name=systemd"); empty on a host with cgroup2 alone.
	Hierarchies []string
	LastCap     int  // highest capability that the kernel knows; 0: 40 (Linux 5.9)
	NoPivot     bool // move the root and chroot, for hosts that run from an initramfs
	PreserveFDs int  // descriptors from 3 on that the command gets
	// HookPause stops before the root is changed, so that the launcher can run
	// hooks.
	HookPause  bool
	Cols, Rows uint16 // of the terminal; 0: process.consoleSize
	// OpenFiles is the soft limit of open files where the config names none; 0
	// leaves it alone. (Go raises its own process's, which must not leak.)
	OpenFiles [2]uint64 // soft, hard
	// Target are the namespaces of the container that an exec enters, as flags
	// of setns(2): those that differ from the launcher's.
	Target string
	// SELinux says that the host's kernel labels files.
	SELinux bool
	// Terse leaves out the texts; Describe adds them.
	Terse bool
	// Straight plans an exec that stops nowhere between clone and execve: its
	// limits are set by the first child, from which the second has them. See
	// Stops.
	Straight bool
	// OwnDevpts opens the terminal in a devpts that the launcher holds already
	// ($devpts), as for an exec.
	OwnDevpts bool
}

// builder collects steps; the first error sticks.
type builder struct {
	spec *specs.Spec
	opt  Options
	plan *Plan
	err  error
	refs int // for names of intermediate results
	proc string
}

// For returns the steps that create a container of the spec and start its
// command. A setting that is not served is an error that names it (kind
// ErrUnsupported, code "unsupported-setting").
func For(spec *specs.Spec, o Options) (*Plan, error) {
	if err := check(spec, o); err != nil {
		return nil, err
	}
	b := &builder{spec: spec, opt: o, plan: &Plan{Steps: make([]Step, 0, 128)}}
	b.namespaces()
	b.bornInCgroup()
	b.rootHost()
	b.terminalHost()
	b.cgroupHost()
	b.maps()
	b.limits(Parent)

	b.waitForParent()
	b.joinCgroup()
	b.becomeRoot()
	b.session()
	b.root()
	b.mounts()
	b.devices()
	b.console()
	b.sysctls()
	b.network()
	b.hostname()
	b.workdir()
	b.hide()
	b.hooks()
	b.changeRoot()
	b.process(spec.Process)
	return b.finish()
}

// ForExec returns the steps that start a further process in a container that
// runs already. spec is the container's, for its seccomp filter and mappings;
// o.Target names the namespaces to enter.
func ForExec(p *specs.Process, spec *specs.Spec, o Options) (*Plan, error) {
	s := specs.Spec{Version: spec.Version, Process: p, Linux: &specs.Linux{}}
	if spec.Linux != nil {
		s.Linux.Seccomp = spec.Linux.Seccomp
		s.Linux.UIDMappings = spec.Linux.UIDMappings
		s.Linux.GIDMappings = spec.Linux.GIDMappings
	}
	if err := checkProcess(p); err != nil {
		return nil, err
	}
	b := &builder{spec: &s, opt: o, plan: &Plan{Steps: make([]Step, 0, 96)}}
	b.plan.Apart = strings.Contains(o.Target, "CLONE_NEWTIME")
	b.bornInCgroup()
	b.terminalHost()
	b.cgroupHost()
	if !o.Straight {
		b.limits(Parent)
	}
	b.joinCgroupIn(Join)
	if o.Straight {
		b.limits(Join)
	}
	b.enter()
	if !o.Straight {
		b.waitForParent()
	}
	b.becomeRoot()
	b.session()
	b.process(p)
	return b.finish()
}

// Stops says whether an exec has to stop before its execve: the limit of
// processes counts against whoever starts the second child, a scheduler may be
// one that children do not inherit, and the listener of a filter has to be
// fetched.
func Stops(p *specs.Process, spec *specs.Spec) bool {
	return p.Scheduler != nil || p.IOPriority != nil || spec.Linux != nil && spec.Linux.Seccomp != nil && notifies(spec.Linux.Seccomp) ||
		slices.ContainsFunc(p.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == "RLIMIT_NPROC" })
}

func (b *builder) finish() (*Plan, error) {
	if b.err != nil {
		return nil, b.err
	}
	// In the order of time; within a process the order stays as planned.
	all := b.plan.Steps
	b.plan.Steps = make([]Step, 0, len(all))
	for _, w := range []Where{Host, Join, Parent, Child} {
		for i := range all {
			if all[i].Where == w {
				b.plan.Steps = append(b.plan.Steps, all[i])
			}
		}
	}
	if !b.opt.Terse {
		b.plan.Describe()
	}
	return b.plan, nil
}

// step appends a step. The call that matters is the one marked by main, an
// index into calls (negative: from the end). A step without calls is dropped.
func (b *builder) step(w Where, code string, args []string, main int, calls ...Call) {
	if len(calls) == 0 || b.err != nil {
		return
	}
	if main < 0 {
		main += len(calls)
	}
	b.plan.Steps = append(b.plan.Steps, Step{Code: code, Where: w, Calls: calls, main: main, args: args})
}

// Describe fills in what a reader wants and a launch does not need: the texts
// and the printed call of each step. It returns p.
func (p *Plan) Describe() *Plan {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Words != "" {
			continue // described before, maybe by another program
		}
		if s.Args == nil && len(s.args) > 0 {
			s.Args = fault.Args(s.args...)
		}
		e, _ := words.Of(s.Code) // a test sees that all have some
		s.Call = s.Calls[s.main].String()
		s.Words, s.Reason, s.Man, s.Without = fill(e.Words, s.Args), fill(e.Reason, s.Args), e.Man, fill(e.Without, s.Args)
	}
	return p
}

// name returns a fresh name for a result.
func (b *builder) name(prefix string) string {
	b.refs++
	return prefix + strconv.Itoa(b.refs)
}

func fill(s string, args map[string]string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	for k, v := range args {
		s = strings.ReplaceAll(s, "{"+k+"}", v)
	}
	return s
}

// has reports whether the spec makes a new namespace of the type.
func (b *builder) has(t specs.LinuxNamespaceType) bool { return newNamespace(b.spec, t) }

func newNamespace(s *specs.Spec, t specs.LinuxNamespaceType) bool {
	if s.Linux == nil {
		return false
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == t {
			return n.Path == ""
		}
	}
	return false
}

// joined reports whether the spec enters an existing namespace of the type.
func (b *builder) joined(t specs.LinuxNamespaceType) bool {
	if b.spec.Linux == nil {
		return false
	}
	for _, n := range b.spec.Linux.Namespaces {
		if n.Type == t {
			return n.Path != ""
		}
	}
	return false
}

// hostID returns the host's id of the container's, and whether it has one.
func hostID(m []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	if len(m) == 0 {
		return id, true
	}
	for _, x := range m {
		if id >= x.ContainerID && id-x.ContainerID < x.Size {
			return x.HostID + (id - x.ContainerID), true
		}
	}
	return 0, false
}
