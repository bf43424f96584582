package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// check refuses what this runtime does not do, by name, before anything is
// done. What it lets through, the plan does.
func check(s *specs.Spec, o Options) error {
	switch {
	case s.Process == nil:
		return invalid("process", "is missing")
	case s.Root == nil:
		return invalid("root", "is missing")
	case s.Linux == nil:
		return invalid("linux", "is missing")
	case s.Windows != nil:
		return unsupported("windows")
	case s.Solaris != nil:
		return unsupported("solaris")
	case s.VM != nil:
		return unsupported("vm")
	case s.ZOS != nil:
		return unsupported("zos")
	case s.FreeBSD != nil:
		return unsupported("freebsd")
	}
	if err := checkProcess(s.Process); err != nil {
		return err
	}
	l := s.Linux
	switch {
	case l.MountLabel != "" && o.SELinux:
		// Without SELinux nothing on the host has labels.
		return unsupported("linux.mountLabel (SELinux)")
	case l.IntelRdt != nil:
		return unsupported("linux.intelRdt")
	case l.MemoryPolicy != nil:
		return unsupported("linux.memoryPolicy")
	case len(l.TimeOffsets) > 0 && !newNamespace(s, specs.TimeNamespace):
		return invalid("linux.timeOffsets", "needs a new time namespace")
	case len(l.NetDevices) > 0:
		return unsupported("linux.netDevices")
	}
	for clock := range l.TimeOffsets {
		if clock != "monotonic" && clock != "boottime" {
			return invalid("linux.timeOffsets", "names the clock "+clock+": monotonic and boottime can be set")
		}
	}
	if err := checkSeccomp(l.Seccomp); err != nil {
		return err
	}
	var seen []specs.LinuxNamespaceType
	for _, n := range l.Namespaces {
		if slices.Contains(seen, n.Type) {
			return invalid("linux.namespaces", "names "+string(n.Type)+" twice")
		}
		seen = append(seen, n.Type)
		if cloneFlag(n.Type) == "" {
			return unsupported("namespace type " + string(n.Type))
		}
		if n.Path != "" && !path.IsAbs(n.Path) {
			return invalid("linux.namespaces", "path "+n.Path+" is not absolute")
		}
	}
	if !slices.Contains(seen, specs.MountNamespace) && (s.Root.Readonly || o.Rootfs || s.Linux.RootfsPropagation != "") {
		// All three change a mount that would be the host's own.
		return unsupported("root.readonly or linux.rootfsPropagation without a mount namespace")
	}
	user := slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace && n.Path == "" })
	if user != (len(l.UIDMappings) > 0) || user != (len(l.GIDMappings) > 0) {
		if user || !slices.Contains(seen, specs.UserNamespace) {
			return invalid("linux.uidMappings and gidMappings", "and a new user namespace need each other")
		}
	}
	for _, m := range s.Mounts {
		if !path.IsAbs(m.Destination) {
			return invalid("mounts", "destination "+m.Destination+" is not absolute")
		}
		if (len(m.UIDMappings) > 0) != (len(m.GIDMappings) > 0) {
			return invalid("mounts["+m.Destination+"]", "uidMappings and gidMappings need each other")
		}
	}
	if s.Hostname != "" && !newNamespace(s, specs.UTSNamespace) && !slices.Contains(seen, specs.UTSNamespace) {
		return invalid("hostname", "needs a uts namespace")
	}
	return checkSysctl(s)
}

// checkProcess refuses what the main process and an exec have in common.
func checkProcess(p *specs.Process) error {
	switch {
	case len(p.Args) == 0 || p.Args[0] == "":
		return invalid("process.args", "is empty")
	case p.CommandLine != "":
		return unsupported("process.commandLine")
	case p.User.Username != "":
		return unsupported("process.user.username")
	case p.ApparmorProfile != "" && p.ApparmorProfile != "unconfined":
		return unsupported("process.apparmorProfile")
	case p.SelinuxLabel != "":
		return unsupported("process.selinuxLabel")
	case p.ExecCPUAffinity != nil:
		return unsupported("process.execCPUAffinity")
	case !path.IsAbs(p.Cwd):
		return invalid("process.cwd", "is not an absolute path: "+p.Cwd)
	}
	for _, e := range p.Env {
		if strings.ContainsRune(e, 0) {
			return invalid("process.env", "holds a zero byte")
		}
	}
	for _, a := range p.Args {
		if strings.ContainsRune(a, 0) {
			return invalid("process.args", "holds a zero byte")
		}
	}
	return nil
}

// checkSeccomp refuses profiles that would leave the launch waiting for an agent
// that cannot know of it yet: the child writes that its filter is in place.
func checkSeccomp(s *specs.LinuxSeccomp) error {
	if s == nil || !notifies(s) {
		return nil
	}
	switch {
	case s.ListenerPath == "":
		return invalid("linux.seccomp.listenerPath", "is missing: SCMP_ACT_NOTIFY needs somebody who answers")
	case s.DefaultAction == specs.ActNotify:
		return invalid("linux.seccomp.defaultAction", "cannot be SCMP_ACT_NOTIFY")
	}
	for _, r := range s.Syscalls {
		if r.Action == specs.ActNotify && slices.Contains(r.Names, "write") {
			return invalid("linux.seccomp.syscalls", "cannot have SCMP_ACT_NOTIFY for write")
		}
	}
	return nil
}

// notifies says whether a profile asks an agent.
func notifies(s *specs.LinuxSeccomp) bool {
	return s.DefaultAction == specs.ActNotify ||
		slices.ContainsFunc(s.Syscalls, func(r specs.LinuxSyscall) bool { return r.Action == specs.ActNotify })
}

// checkSysctl lets through only what belongs to a namespace of the container's
// own: anything else would change the host.
func checkSysctl(s *specs.Spec) error {
	for k := range s.Linux.Sysctl {
		name := strings.ReplaceAll(k, "/", ".")
		var t specs.LinuxNamespaceType
		switch {
		case strings.Contains(name, ".."):
			return invalid("linux.sysctl", "name "+k+" leaves its folder")
		case strings.HasPrefix(name, "net."):
			t = specs.NetworkNamespace
		case strings.HasPrefix(name, "fs.mqueue."), slices.Contains(ipcSysctls, name):
			t = specs.IPCNamespace
		case name == "kernel.domainname", name == "kernel.hostname":
			t = specs.UTSNamespace
		default:
			return invalid("linux.sysctl", k+" is not in a separate kernel namespace")
		}
		own := slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
		if !own {
			return invalid("linux.sysctl", k+" needs a "+string(t)+" namespace of the container's own")
		}
	}
	return nil
}

// ipcSysctls are the settings of an ipc namespace (sysctl(8) names).
var ipcSysctls = []string{
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
	"kernel.shmmni", "kernel.shm_rmid_forced",
}

func unsupported(setting string) error {
	return fault.New(fault.ErrUnsupported, "unsupported-setting",
		"config.json sets "+setting+", which this runtime does not support", "setting", setting)
}

func invalid(setting, what string) error {
	return fault.New(fault.ErrInvalid, "invalid-config", "config.json: "+setting+" "+what, "setting", setting, "what", what)
}
