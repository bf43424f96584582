//go:build linux

package files_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/files"
)

const (
	swaps  = 1000 // at least, while copies go on
	copies = 60   // at least, while links are swapped
)

// swapping exchanges a folder and a link to the host's folder outside, as fast
// as it can, while do is called again and again. It returns how often each
// happened.
func (b *box) swapping(folder, outside string, do func(n int)) (swapped, done int64) {
	b.t.Helper()
	evil := folder + ".evil"
	must(b.t, os.Symlink(outside, b.at(evil))) // overlayfs exchanges only what the upper made: both are
	root := int(b.Root.Fd())
	var count atomic.Int64
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := unix.Renameat2(root, folder, root, evil, unix.RENAME_EXCHANGE); err != nil {
				stopped <- fmt.Errorf("swap: %w", err)
				return
			}
			count.Add(1)
		}
	}()
	for done < copies || count.Load() < swaps {
		do(int(done))
		done++
		if len(stopped) > 0 {
			break // the swapping broke off
		}
	}
	close(stop)
	must(b.t, <-stopped)
	return count.Load(), done
}

// unexpected passes the errors by which a copy may fail when its target is
// swapped: it is no folder, or not there, at that moment.
func unexpected(err error) bool {
	e, ok := errors.AsType[*fault.Error](err)
	return err != nil && (!ok || e.Code != "path-not-found" && e.Code != "not-a-folder" && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ELOOP))
}

// host makes a folder of the host with a secret in it, and the same path within
// the container, where the link may well lead.
func host(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("secret"), 0o644))
	must(t, os.Chmod(dir, 0o777)) // even where everybody may write
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o777))
	}
	return dir
}

func untouched(t *testing.T, dir string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	body, err := os.ReadFile(filepath.Join(dir, "file"))
	if len(list) != 1 || err != nil || string(body) != "secret" {
		t.Errorf("the host's folder was written to: %v %q %v", list, body, err)
	}
}

// TestSwappedLinksLeadNowhereElse is CVE-2018-15664: a container swaps a folder
// for a link to the host while files are copied out of it and into it.
func TestSwappedLinksLeadNowhereElse(t *testing.T) {
	for _, up := range []string{"", "../../../../../../../../../.."} {
		b := open(t, nil)
		must(t, b.Write(t.Context(), "/", archive(t, dir("work"), dir("work/dir"), file("work/dir/file", "harmless")), files.WriteOptions{}))
		outside := host(t)
		found, in := 0, 0
		swapped, done := b.swapping("work/dir", up+outside, func(n int) {
			if n%2 == 0 {
				_, r, err := b.Read(t.Context(), "/work/dir/file")
				if err != nil {
					if unexpected(err) {
						t.Error(err)
					}
					return
				}
				body, err := io.ReadAll(r)
				r.Close()
				if err != nil || strings.Contains(string(body), "secret") {
					t.Errorf("copied out: %q %v", body, err)
				}
				found++
				return
			}
			err := b.Write(t.Context(), "/work/dir", archive(t, file(fmt.Sprint("in", n), "evil"), file("file", "evil"), dir("sub"), file("sub/x", "evil")), files.WriteOptions{})
			if unexpected(err) {
				t.Error(err)
			}
			if err == nil {
				in++
			}
		})
		untouched(t, outside)
		t.Logf("%d swaps, %d copies, %d of them out and %d in successful", swapped, done, found, in)
		if found == 0 || in == 0 {
			t.Error("no copy was ever made: nothing was tested")
		}
	}
}

// TestSwappedParentsMakeNoFolderElsewhere is CVE-2024-45310: a container swaps a
// folder for a link while folders are made beneath it.
func TestSwappedParentsMakeNoFolderElsewhere(t *testing.T) {
	b := open(t, nil)
	must(t, b.Mkdir(t.Context(), "/work/dir", 0o777, files.Owner{}))
	outside := host(t)
	made := 0
	swapped, done := b.swapping("work/dir", outside, func(n int) {
		err := b.Mkdir(t.Context(), fmt.Sprintf("/work/dir/%d/a/b", n), 0o755, files.Owner{})
		if unexpected(err) {
			t.Error(err)
		}
		if err == nil {
			made++
		}
	})
	untouched(t, outside)
	t.Logf("%d swaps, %d tries, %d successful", swapped, done, made)
	if made == 0 {
		t.Error("no folder was ever made: nothing was tested")
	}
}

// children lists the processes that this one started and that run the program.
func children(t *testing.T) []string {
	t.Helper()
	var out []string
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	must(t, err)
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // that thread has ended
		}
		for _, pid := range strings.Fields(string(b)) {
			if line, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.HasPrefix(string(line), "layerlab-runtime\x00files") {
				out = append(out, pid)
			}
		}
	}
	return out
}

// TestProcessHoldsNothingElse looks at the process from outside while it waits
// for somebody to read: what it runs is the sealed program alone, whatever
// libraries the container offers (CVE-2019-14271), with the container's ids, few
// capabilities, and a filter.
func TestProcessHoldsNothingElse(t *testing.T) {
	b := open(t, func(d string) {
		must(t, os.MkdirAll(filepath.Join(d, "lib/x86_64-linux-gnu"), 0o755))
		must(t, os.MkdirAll(filepath.Join(d, "etc"), 0o755))
		must(t, os.WriteFile(filepath.Join(d, "etc/nsswitch.conf"), []byte("passwd: evil\nhosts: evil\n"), 0o644))
		must(t, os.WriteFile(filepath.Join(d, "lib/x86_64-linux-gnu/libnss_evil.so.2"), []byte("evil"), 0o755))
		must(t, os.WriteFile(filepath.Join(d, "big"), make([]byte, 8<<20), 0o644))
	})
	_, r, err := b.Read(t.Context(), "/")
	must(t, err)
	defer r.Close()
	one := make([]byte, 1)
	_, err = io.ReadFull(r, one) // it is at work, and waits for room in its pipe
	must(t, err)
	pids := children(t)
	if len(pids) != 1 {
		t.Fatalf("processes: %v", pids)
	}
	proc := "/proc/" + pids[0]
	status, err := os.ReadFile(proc + "/status")
	must(t, err)
	fields := map[string]string{}
	for line := range strings.Lines(string(status)) {
		k, v, _ := strings.Cut(line, ":")
		fields[k] = strings.Join(strings.Fields(v), " ")
	}
	keep := fmt.Sprintf("%016x", 1<<unix.CAP_CHOWN|1<<unix.CAP_DAC_OVERRIDE|1<<unix.CAP_FOWNER|1<<unix.CAP_FSETID|1<<unix.CAP_SETFCAP)
	id := strings.TrimSpace(strings.Repeat(fmt.Sprint(firstID)+" ", 4))
	for k, want := range map[string]string{
		"Seccomp": "2", "NoNewPrivs": "1", "CapEff": keep, "CapPrm": keep, "CapBnd": keep, "CapInh": strings.Repeat("0", 16), "CapAmb": strings.Repeat("0", 16),
		"Uid": id, "Gid": id,
	} {
		if fields[k] != want {
			t.Errorf("%s: %q, want %q", k, fields[k], want)
		}
	}
	maps, err := os.ReadFile(proc + "/maps")
	must(t, err)
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) > 5 && strings.HasPrefix(f[5], "/") && !strings.HasPrefix(f[5], "/memfd:layerlab-runtime") {
			t.Errorf("mapped: %s", line)
		}
	}
	if here, err := os.ReadDir(proc + "/root/lib/x86_64-linux-gnu"); err != nil || len(here) != 1 {
		t.Errorf("its root is not the container's: %v %v", here, err)
	}
	links, err := filepath.Glob(proc + "/fd/*")
	must(t, err)
	for _, l := range links {
		to, err := os.Readlink(l)
		if err == nil && strings.HasPrefix(to, "socket:") {
			t.Errorf("a socket is open: %s", to)
		}
	}
}
