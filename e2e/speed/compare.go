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
		crun := b.crun("run", "-b", dir, "x")
		if err := b.compare("run, "+k.name, command("layerlab", b.ours("run", "-b", dir, "x")), command("crun", crun)); err != nil {
			return err
		}
	}
	return b.inside(peer{"layerlab", b.ours}, peer{"crun", b.crun})
}

func (b *bench) crun(args ...string) []string {
	return append([]string{"crun", "--root", filepath.Join(b.dir, "crun"), "--cgroup-manager=disabled"}, args...)
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
			command("layerlab", b.ours("run", "-b", dir, "x")), command("runc", b.runc("run", "-b", dir, "x"))); err != nil {
			return err
		}
	}
	if err := b.inside(peer{"layerlab", b.ours}, peer{"runc", b.runc}); err != nil {
		return err
	}
	return b.starts()
}

// peer is a command line by its name, completed by what it shall do.
type peer struct {
	name string
	argv func(...string) []string
}

// inside compares execs into a container that each of them made.
func (b *bench) inside(runtimes ...peer) (err error) {
	for _, k := range kinds {
		title := "exec, " + k.name
		if !b.want.MatchString(title) {
			continue
		}
		var l []subject
		for _, r := range runtimes {
			dir, err := b.bundle("wait", k.userns, k.filter)
			if err != nil {
				return err
			}
			for _, args := range [][]string{{"create", "-b", dir, "in"}, {"start", "in"}} {
				a := r.argv(args...)
				// No pipes: the container would hold them open.
				cmd := exec.Command(a[0], a[1:]...)
				cmd.Stderr = os.Stderr
				if err := cmd.Run(); err != nil {
					return fmt.Errorf("%v: %w", a, err)
				}
			}
			l = append(l, command(r.name, r.argv("exec", "in", "/bin/true")))
		}
		err := b.compare(title, l...)
		for _, r := range runtimes {
			a := r.argv("delete", "-f", "in")
			if out, e := exec.Command(a[0], a[1:]...).CombinedOutput(); e != nil {
				err = fmt.Errorf("%v: %w: %s", a, e, out)
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
