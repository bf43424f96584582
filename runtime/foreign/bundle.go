package foreign

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// version is the oldest runtime-spec whose runtimes know all that the engine
// asks for: crun before 1.9 refuses a newer one.
const version = "1.0.2"

// stageAt returns the folder over which the stage is mounted, in the namespace
// of one command: one that all may walk to and nothing that is needed lies in.
// "" where there is none. exists says whether a path is such a folder.
func stageAt(needed []string, exists func(string) bool) string {
	for _, at := range []string{"/mnt", "/media", "/srv", "/opt", "/home", "/tmp"} {
		hides := slices.ContainsFunc(needed, func(p string) bool { return p == at || strings.HasPrefix(p, at+"/") })
		if !hides && exists(at) {
			return at
		}
	}
	return ""
}

// bind is a detached mount that is put on the stage.
type bind struct {
	Name string `json:"name"` // on the stage
	File bool   `json:"file"` // it is no folder
}

// onStage returns config.json as the runtime gets it: root and bind mounts are
// where the stage has them. binds are the indices in spec's mounts that are on
// it; root says that the root is.
func onStage(spec *specs.Spec, stage string, root bool, binds []int) *specs.Spec {
	s := *spec
	s.Version = version
	if root {
		r := *spec.Root
		r.Path = filepath.Join(stage, rootName)
		s.Root = &r
	}
	s.Mounts = slices.Clone(spec.Mounts)
	for _, i := range binds {
		s.Mounts[i].Source = filepath.Join(stage, bindName(i))
	}
	return &s
}

const rootName = "rootfs"

func bindName(i int) string { return strconv.Itoa(i) }

// isBind says whether a mount shows a path of the host.
func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}
