//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/runtime/shim"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// stack makes n layers in folders "0" to "n-1"; the first has the command. They
// belong to an owner.
func (b *bench) stack(n, owner int) (string, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("stack-%d-%d", n, owner))
	for i := range n {
		layer := filepath.Join(dir, strconv.Itoa(i))
		bin := filepath.Join(layer, "bin")
		err := errors.Join(os.MkdirAll(bin, 0o755), os.WriteFile(filepath.Join(layer, fmt.Sprint("of-layer-", i)), nil, 0o644))
		if err == nil && i == 0 {
			err = errors.Join(os.WriteFile(filepath.Join(bin, "true"), smallest(), 0o755), os.WriteFile(filepath.Join(bin, "wait"), waiting(), 0o755))
		}
		if err != nil {
			return "", err
		}
	}
	return dir, filepath.Walk(dir, func(p string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(p, owner, owner))
	})
}

// layered compares starts from 1 to 500 layers.
func (b *bench) layered() error {
	for _, n := range []int{1, 10, 100, 500} {
		title := fmt.Sprintf("start from %d layers", n)
		if !b.want.MatchString(title) {
			continue
		}
		own, err := b.stack(n, 0)
		if err != nil {
			return err
		}
		theirs, err := b.stack(n, 300000)
		if err != nil {
			return err
		}
		dir, err := b.bundle("true", true, true)
		if err != nil {
			return err
		}
		l := []subject{
			{"layerlab, shim", func() (usage, error) { return usage{}, b.byShim(dir, own, n) }},
			{"layerlab, mounted", b.mounted(dir, theirs, n, b.ours("run", "-b", dir, "x"))},
		}
		if _, err := exec.LookPath("crun"); err == nil {
			l = append(l, subject{"crun, mounted", b.mounted(dir, theirs, n, b.crun("run", "-b", dir, "x"))})
		}
		if _, err := exec.LookPath("runc"); err == nil {
			l = append(l, subject{"runc, mounted", b.mounted(dir, theirs, n, b.runc("run", "-b", dir, "x"))})
		}
		if err := b.compare(title, l...); err != nil {
			return err
		}
		if err := errors.Join(os.RemoveAll(own), os.RemoveAll(theirs)); err != nil {
			return err
		}
	}
	return nil
}

// mounted mounts n layers at a bundle's root in the way of engines, runs a
// command and unmounts. The files of a layer belong to the container's users.
func (b *bench) mounted(bundle, stack string, n int, argv []string) func() (usage, error) {
	return func() (u usage, err error) {
		root := filepath.Join(bundle, "rootfs")
		upper, work := filepath.Join(stack, "upper"), filepath.Join(stack, "work")
		for _, d := range []string{upper, work} {
			if err := errors.Join(os.RemoveAll(d), os.Mkdir(d, 0o755), os.Chown(d, 300000, 300000)); err != nil {
				return u, err
			}
		}
		// The options of mount(2) end at one page, so the names are short ones
		// of the working folder.
		names := make([]string, n)
		for i := range names {
			names[i] = strconv.Itoa(n - 1 - i)
		}
		if err := os.Chdir(stack); err != nil {
			return u, err
		}
		if err := unix.Mount("overlay", root, "overlay", 0, "lowerdir="+strings.Join(names, ":")+",upperdir=upper,workdir=work"); err != nil {
			return u, fmt.Errorf("mount %d layers: %w", n, err)
		}
		u, err = command("", argv).run()
		return u, errors.Join(err, unix.Unmount(root, 0))
	}
}

// byShim starts a container from layers as the server does, and waits for its
// end.
func (b *bench) byShim(bundle, stack string, n int) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := b.shim(ctx, bundle, stack, n)
	if err != nil {
		return err
	}
	if _, err := c.Start(ctx); err != nil {
		return err
	}
	if _, err := c.Wait(ctx, ""); err != nil {
		return err
	}
	return c.AckExit(ctx)
}

// shim creates a container by a shim.
func (b *bench) shim(ctx context.Context, bundle, stack string, n int) (*shim.Client, error) {
	if b.sealed == nil {
		f, err := os.Open(b.helper)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if b.sealed, err = sealed.Copy("layerlab-helper", f); err != nil {
			return nil, err
		}
	}
	o := shim.Options{
		ID: "x", Bundle: bundle, Executable: b.sealed, Socket: filepath.Join(b.dir, "socket"),
		ExitFile: filepath.Join(bundle, "exit.json"), Upper: filepath.Join(stack, "shim-upper"), Work: filepath.Join(stack, "shim-work"),
		Method: snapshot.LowerFDs,
	}
	for i := range n {
		o.Layers = append(o.Layers, snapshot.Layer{Dir: filepath.Join(stack, strconv.Itoa(i))})
	}
	return shim.Start(ctx, o)
}

// idle prints what the shim of a container takes that does nothing.
func (b *bench) idle() error {
	if !b.want.MatchString("idle shim") {
		return nil
	}
	stack, err := b.stack(10, 0)
	if err != nil {
		return err
	}
	dir, err := b.bundle("wait", true, true)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := b.shim(ctx, dir, stack, 10)
	if err != nil {
		return err
	}
	st, err := c.Start(ctx)
	if err != nil {
		return err
	}
	// Every five seconds a shim gives back what its last work took.
	memory, err := residence(st.Pid)
	busy := memory["Rss"]
	for deadline := time.Now().Add(20 * time.Second); err == nil && memory["Rss"] > busy*9/10 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
		memory, err = residence(st.Pid)
	}
	if err != nil {
		return err
	}
	fmt.Printf("idle shim: %.1f MB resident (%.1f while it worked), %.1f MB of it memory, the rest the program, which all shims share\n",
		float64(memory["Rss"])/1e3, float64(busy)/1e3, float64(memory["Anonymous"])/1e3)
	if err := c.Signal(ctx, "", unix.SIGKILL, false); err != nil {
		return err
	}
	if _, err := c.Wait(ctx, ""); err != nil {
		return err
	}
	return c.AckExit(ctx)
}

// residence reads what memory the parent of a process takes, in kB by the names
// of /proc/PID/smaps_rollup (proc(5)).
func residence(pid int) (map[string]int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if b, err = os.ReadFile("/proc/" + f[1] + "/smaps_rollup"); err != nil {
		return nil, err
	}
	m := map[string]int{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "kB" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				return nil, err
			}
			m[strings.TrimSuffix(f[0], ":")] = n
		}
	}
	return m, nil
}
