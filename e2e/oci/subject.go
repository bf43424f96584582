//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// subject is a runtime as a small script: the programs call it by one path.
type subject struct {
	name   string
	script string
}

// subjects returns ours and those that are installed. crun 1.8 refuses hosts
// with v1 and v2 cgroups side by side, so it sees cgroup2 alone and makes no
// cgroups there.
func subjects(dir, runtime string) ([]subject, error) {
	scripts := []struct{ name, needs, text string }{
		{"layerlab", runtime, `exec ` + runtime + ` --root ` + dir + `/roots/layerlab "$@"`},
		{"runc", "runc", `exec runc --root ` + dir + `/roots/runc "$@"`},
		{"crun", "crun", `exec unshare -m sh -c 'umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec crun --root ` + dir + `/roots/crun --cgroup-manager=disabled "$@"' crun "$@"`},
	}
	var l []subject
	for i, s := range scripts {
		if _, err := exec.LookPath(s.needs); err != nil {
			if i == 0 {
				return nil, err
			}
			fmt.Printf("%s is not installed: not compared\n", s.name)
			continue
		}
		x := subject{s.name, filepath.Join(dir, "runtime-"+s.name)}
		if err := os.WriteFile(x.script, []byte("#!/bin/sh\n"+s.text+"\n"), 0o755); err != nil {
			return nil, err
		}
		l = append(l, x)
	}
	return l, nil
}

type verdict string

const (
	passes verdict = "ok"
	fails  verdict = "not ok"
	mute   verdict = "silent" // passes, and asserts nothing
)

type result struct {
	verdict verdict
	output  string
}

// validate runs one program.
func (s subject) validate(dir, program string) result {
	defer s.clean(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, program))
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), "RUNTIME="+s.script, "TMPDIR="+dir), time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	r := result{fails, out.String()}
	if err != nil {
		r.output += "\n" + err.Error()
		return r
	}
	ok := 0
	for _, l := range strings.Split(r.output, "\n") {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "not ok") {
			return r
		}
		if strings.HasPrefix(l, "ok ") && !strings.Contains(l, "# SKIP") {
			ok++
		}
	}
	r.verdict = passes
	if ok == 0 && !refusal(program) {
		r.verdict = mute
	}
	return r
}

// refusal tells the programs whose whole test is that create fails: they exit
// with 1 if it does not, and say nothing if it does.
func refusal(program string) bool {
	return program == "process_capabilities_fail" || program == "process_rlimits_fail"
}

// clean removes what a program left behind: containers, mounts, and the cgroups
// whose names all programs share.
func (s subject) clean(dir string) {
	out, _ := exec.Command(s.script, "list", "-q").Output()
	for _, id := range strings.Fields(string(out)) {
		exec.Command(s.script, "delete", "--force", id).Run()
	}
	// Programs that end early leave their bundles mounted.
	mounts, _ := os.ReadFile("/proc/self/mounts")
	lines := strings.Split(string(mounts), "\n")
	slices.Reverse(lines)
	for _, l := range lines {
		if f := strings.Fields(l); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			unix.Unmount(f[1], unix.MNT_DETACH)
		}
	}
	for _, pattern := range []string{
		"/sys/fs/cgroup/*/cgroupTest", "/sys/fs/cgroup/*/testdir/cgroupTest", "/sys/fs/cgroup/*/testdir",
		"/sys/fs/cgroup/cgroupTest", "/sys/fs/cgroup/testdir/cgroupTest", "/sys/fs/cgroup/testdir",
	} {
		dirs, _ := filepath.Glob(pattern)
		for _, d := range dirs {
			unix.Rmdir(d) // ENOENT, EBUSY: nothing to remove, or not ours
		}
	}
}
