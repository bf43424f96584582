package foreign

import "path/filepath"

// Runtime is a runtime that is installed, for one container.
type Runtime struct {
	Name string `json:"name"` // as it was asked for
	Path string `json:"path"` // of the program, absolute
	// Root is the folder of what it keeps of this container, and of what passes
	// between it and us. It is made, and removed with the container.
	Root string `json:"root"`
}

// dialect is in what a runtime differs from runc.
type dialect struct {
	global []string // options before the command
	// within says that it is told to leave cgroups alone: its processes are born
	// in the container's.
	within bool
	// unified says that it knows no host with both versions of cgroups; it is
	// shown cgroup2 alone.
	unified bool
	// sentry says that the container's processes live within one process of the
	// host: signals and status pass through the runtime.
	sentry bool
}

// dialectOf goes by the program's name; what is unknown is spoken to as runc is.
func dialectOf(program string) dialect {
	switch filepath.Base(program) {
	case "crun":
		return dialect{global: []string{"--cgroup-manager=disabled"}, within: true, unified: true}
	case "runsc":
		return dialect{
			// Its own overlay would hide from us what the container writes, and
			// its cache from the container what we do (cp).
			global: []string{"--ignore-cgroups", "--overlay2=none", "--file-access=shared"},
			within: true, sentry: true,
		}
	}
	return dialect{}
}

// arguments are a command's, the program's name first.
func (r Runtime) arguments(command string, more ...string) []string {
	list := append([]string{r.Path}, dialectOf(r.Path).global...)
	list = append(list, "--root", filepath.Join(r.Root, "state"), "--log", r.log(), "--log-format", "json", command)
	return append(list, more...)
}

func (r Runtime) log() string { return filepath.Join(r.Root, "log") }
