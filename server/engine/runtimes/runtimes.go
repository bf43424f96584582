// Package runtimes knows the OCI runtimes by which containers of this server may
// run: its own, which is always there, and those that its owner named.
//
//	--runtime crun --runtime vm=/opt/kata → Find → Set ─ Choose("crun") → Runtime
//
// A runtime acts on the host with the server's rights, so that none is taken
// merely because it is installed.
package runtimes

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Own is the name of the server's own runtime.
const Own = "layerlab"

// Runtime is one of them.
type Runtime struct {
	Name string
	Path string // of the program, absolute; "" for Own
}

// Set is all of them. The zero value has none but Own.
type Set struct {
	others []Runtime // in the order that they were named
	byRule string    // the default's name, "" for Own
}

var name = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// Find reads the settings: asked are "name" and "name=path", byDefault is the
// name of the one for containers that ask for none, "" for Own. look finds
// a program by its name or path, as exec.LookPath does. Code: bad-setting.
func Find(asked []string, byDefault string, look func(string) (string, error)) (Set, error) {
	s := Set{byRule: byDefault}
	for _, text := range asked {
		n, program, _ := strings.Cut(text, "=")
		if !name.MatchString(n) || n == Own {
			return s, bad("--runtime %q: give a name, or name=path; %s is the server's own", text, Own)
		}
		if _, err := s.Choose(n); err == nil {
			return s, bad("--runtime %s: named twice", n)
		}
		path, err := look(cmp.Or(program, n))
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return s, bad("--runtime %s: %v: install it, or give its path as --runtime %s=/path", text, err, n)
		}
		s.others = append(s.others, Runtime{n, path})
	}
	if _, err := s.Choose(byDefault); err != nil {
		return s, bad("--default-runtime %s: name it with --runtime, too", byDefault)
	}
	return s, nil
}

func bad(format string, args ...any) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-setting", fmt.Sprintf(format, args...))
}

// Default is the name of the one for containers that ask for none.
func (s Set) Default() string { return cmp.Or(s.byRule, Own) }

// All lists them, Own first.
func (s Set) All() []Runtime { return append([]Runtime{{Name: Own}}, s.others...) }

// Choose returns the one of that name, "" being the default's. The words of the
// error are dockerd's. Code: unknown-runtime.
func (s Set) Choose(name string) (Runtime, error) {
	name = cmp.Or(name, s.Default())
	for _, r := range s.All() {
		if r.Name == name {
			return r, nil
		}
	}
	return Runtime{}, imagecore.NewError(imagecore.ErrInvalid, "unknown-runtime", "unknown or invalid runtime name: "+name, "runtime", name)
}
