package rootless

import (
	"fmt"
	"strings"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Env is the variable by which a process knows that Enter started it; its value
// is the folder that the user stood in.
const Env = "LAYERLAB_ROOTLESS"

// Size is how many subordinate ids containers need: those of 16 bits.
const Size = 65536

// Facts are what matters of a host and of the user who starts the server.
type Facts struct {
	User string // as subuid(5) names it
	UID  int
	// Tools are the programs that are needed; the value is what is wrong with
	// one: Absent, Unprivileged or "".
	Tools map[string]string
	// UIDs and GIDs are the user's subordinate ids; none: Count 0.
	UIDs, GIDs Range
	// Sysctls are those that matter by their names with slashes, "" where the
	// kernel has none of that name.
	Sysctls map[string]string
}

// Range is Count ids from First on.
type Range struct{ First, Count uint32 }

// What can be wrong with a program.
const (
	Absent       = "absent"
	Unprivileged = "not setuid"
)

// Sysctls and programs that Facts know.
const (
	clone     = "kernel/unprivileged_userns_clone"             // Debian's own
	most      = "user/max_user_namespaces"                     // namespaces(7)
	apparmor  = "kernel/apparmor_restrict_unprivileged_userns" // Ubuntu's own
	newuidmap = "newuidmap"
	newgidmap = "newgidmap"
	nsenter   = "nsenter"
)

// Findings says what is missing for containers to run, each with what to do.
// Codes: rootless-no-userns, rootless-no-tool, rootless-no-ids.
func Findings(f Facts) (list []*fault.Error) {
	missing := func(code, message string, args ...string) {
		list = append(list, fault.New(fault.ErrHost, code, message, args...))
	}
	for _, s := range []struct{ name, off, advice string }{
		{clone, "0", "1"}, {most, "0", "15000"}, {apparmor, "1", "0, or give layerlab an AppArmor profile that allows userns"},
	} {
		if f.Sysctls[s.name] == s.off {
			name := strings.ReplaceAll(s.name, "/", ".")
			missing("rootless-no-userns", fmt.Sprintf("ordinary users may make no user namespaces here: sysctl %s is %s: have it set to %s", name, s.off, s.advice), "sysctl", name, "value", s.off)
		}
	}
	for _, t := range []struct{ name, pack string }{{newuidmap, "uidmap"}, {newgidmap, "uidmap"}, {nsenter, "util-linux"}} {
		switch f.Tools[t.name] {
		case Absent:
			missing("rootless-no-tool", fmt.Sprintf("the program %s is missing: install the package %s", t.name, t.pack), "tool", t.name, "what", "missing", "package", t.pack)
		case Unprivileged:
			missing("rootless-no-tool", fmt.Sprintf("the program %s is neither setuid root nor has file capabilities: install the package %s again", t.name, t.pack), "tool", t.name, "what", "neither setuid root nor with file capabilities", "package", t.pack)
		}
	}
	for _, s := range []struct {
		file string
		have Range
	}{{"/etc/subuid", f.UIDs}, {"/etc/subgid", f.GIDs}} {
		if s.have.Count < Size {
			missing("rootless-no-ids", fmt.Sprintf("%s grants %s %d ids, containers need %d: add the line %s:100000:%d, or another free range", s.file, f.User, s.have.Count, Size, f.User, Size),
				"file", s.file, "user", f.User, "count", fmt.Sprint(s.have.Count), "line", fmt.Sprintf("%s:100000:%d", f.User, Size))
		}
	}
	return list
}

// NoCgroup says what an ordinary user's server cannot do.
func NoCgroup(setting string) *fault.Error {
	return fault.New(fault.ErrUnsupported, "rootless-no-cgroup",
		setting+": not served to an ordinary user, whose server makes no cgroups, not even where systemd delegates them: start the server as root, or limit it with all its containers (systemd-run --user --scope -p MemoryMax=2G layerlab serve)", "setting", setting)
}
