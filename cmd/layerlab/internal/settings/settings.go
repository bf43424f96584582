// Package settings gives flags their values: what stands on the command line,
// else in the environment, else in a file, else the default.
//
//	--listen ADDR  >  LAYERLAB_LISTEN=ADDR  >  "listen = ADDR" in the file  >  default
//
// The file has one setting a line, named like the flag; empty lines and those
// that begin with # do not count.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// prefix of the environment's variables.
const prefix = "LAYERLAB_"

// Variable returns the name of the environment variable of a flag.
func Variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// File is a settings file as it was read.
type File struct {
	Path   string
	values map[string]string
	lines  map[string]int
}

// Read reads the file at path; required says that its absence is an error.
func Read(path string, required bool) (*File, error) {
	f := &File{Path: path, values: map[string]string{}, lines: map[string]int{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%s line %d: a setting reads NAME = VALUE", path, n)
		}
		name = strings.TrimSpace(name)
		f.values[name], f.lines[name] = strings.TrimSpace(value), n
	}
	return f, nil
}

// DefaultPath is where the file is looked for: for root /etc/layerlab/settings,
// else layerlab/settings in the user's configuration folder.
func DefaultPath() string {
	if os.Geteuid() == 0 {
		return "/etc/layerlab/settings"
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "layerlab", "settings")
}

// Apply sets every flag that the command line does not: from lookup (usually
// os.LookupEnv), else from file, which may be nil. A name in the file that no
// command knows is an error; known lists the flags of all commands.
func Apply(flags *pflag.FlagSet, lookup func(string) (string, bool), file *File, known func(name string) bool) error {
	if file != nil {
		for name, line := range file.lines {
			if !known(name) {
				return fmt.Errorf("%s line %d: no setting is named %q", file.Path, line, name)
			}
		}
	}
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || first != nil || f.Name == "help" {
			return
		}
		if value, ok := lookup(Variable(f.Name)); ok {
			if err := flags.Set(f.Name, value); err != nil {
				first = fmt.Errorf("environment variable %s: %w", Variable(f.Name), err)
			}
			return
		}
		if file == nil {
			return
		}
		if value, ok := file.values[f.Name]; ok {
			if err := flags.Set(f.Name, value); err != nil {
				first = fmt.Errorf("%s line %d: %w", file.Path, file.lines[f.Name], err)
			}
		}
	})
	return first
}
