//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// kinds are the configurations that are measured.
var kinds = []struct {
	name           string
	userns, filter bool
}{
	{"user namespace, seccomp", true, true},
	{"user namespace", true, false},
	{"seccomp", false, true},
	{"plain", false, false},
}

func (b *bench) ours(args ...string) []string {
	return append([]string{b.bin, "--root", filepath.Join(b.dir, "ours")}, args...)
}

func (b *bench) runc(args ...string) []string {
	return append([]string{"runc", "--root", filepath.Join(b.dir, "runc")}, args...)
}

// besideCrun compares runs where cgroup2 alone is mounted.
func (b *bench) besideCrun() error {
	if _, err := exec.LookPath("crun"); err != nil {
		fmt.Println("crun is not installed: not compared")
		return nil
	}
	for _, k := range kinds {
		dir, err := b.bundle("true", k.userns, k.filter)
		if err != nil {
			return err
		}
		crun := []string{"crun", "--root", filepath.Join(b.dir, "crun"), "--cgroup-manager=disabled", "run", "-b", dir, "x"}
		if err := b.compare("run, "+k.name, subject{"layerlab", b.ours("run", "-b", dir, "x")}, subject{"crun", crun}); err != nil {
			return err
		}
	}
	return nil
}

// besideRunc compares runs and execs on the host as it is.
func (b *bench) besideRunc() error {
	if _, err := exec.LookPath("runc"); err != nil {
		fmt.Println("runc is not installed: not compared")
		return nil
	}
	for _, k := range kinds {
		dir, err := b.bundle("true", k.userns, k.filter)
		if err != nil {
			return err
		}
		if err := b.compare("run with cgroups, "+k.name,
			subject{"layerlab", b.ours("run", "-b", dir, "x")}, subject{"runc", b.runc("run", "-b", dir, "x")}); err != nil {
			return err
		}
	}
	if err := b.besideRuncInside(); err != nil {
		return err
	}
	return b.starts()
}

// besideRuncInside compares execs into a container that each of them made.
func (b *bench) besideRuncInside() (err error) {
	for _, k := range kinds[:2] {
		var l []subject
		for _, s := range []struct {
			name string
			argv func(...string) []string
		}{{"layerlab", b.ours}, {"runc", b.runc}} {
			dir, err := b.bundle("wait", k.userns, k.filter)
			if err != nil {
				return err
			}
			for _, args := range [][]string{{"create", "-b", dir, "in"}, {"start", "in"}} {
				a := s.argv(args...)
				// No pipes: the container would hold them open.
				cmd := exec.Command(a[0], a[1:]...)
				cmd.Stderr = os.Stderr
				if err := cmd.Run(); err != nil {
					return fmt.Errorf("%v: %w", a, err)
				}
			}
			l = append(l, subject{s.name, s.argv("exec", "in", "/bin/true")})
		}
		err := b.compare("exec, "+k.name, l...)
		for _, argv := range [][]string{b.ours("delete", "-f", "in"), b.runc("delete", "-f", "in")} {
			if out, e := exec.Command(argv[0], argv[1:]...).CombinedOutput(); e != nil {
				err = fmt.Errorf("%v: %w: %s", argv, e, out)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// starts compares a hundred runs by eight callers. Each has a cgroup of its own,
// named after it.
func (b *bench) starts() error {
	dir, err := b.bundle("true", true, true)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return err
	}
	raw = slices.Concat(cut(raw, `"cgroupsPath":"/layerlab-speed-`+filepath.Base(dir)+`",`)...)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o644); err != nil {
		return err
	}
	return b.crowd("100 runs by 8 callers",
		func(id string) []string { return b.ours("run", "-b", dir, id) },
		func(id string) []string { return b.runc("run", "-b", dir, id) })
}

// cut returns the parts of b before and after a text.
func cut(b []byte, text string) [][]byte {
	before, after, _ := bytes.Cut(b, []byte(text))
	return [][]byte{before, after}
}
