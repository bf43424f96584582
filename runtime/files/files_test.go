//go:build linux

package files_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore/fault"
	"github.com/layerlab/layerlab/runtime/files"
	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// program builds what stands in for layerlab-runtime: without cgo, as the real
// one, since a process with C threads cannot give up its capabilities in all.
var program = sync.OnceValues(func() (*os.File, error) {
	dir, err := os.MkdirTemp("", "layerlab-files-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir+"/runtime", "./testdata/runtime")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	f, err := os.Open(dir + "/runtime")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return sealed.Copy("layerlab-runtime", f)
})

// box is a container that does not run: an overlay with ids of its own.
type box struct {
	files.Container
	t     testing.TB
	upper string
	lower string
}

const firstID = 3_000_000

// open makes a box of what fill puts into its lower.
func open(t testing.TB, fill func(dir string)) *box {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: overlays are mounted")
	}
	dir := t.TempDir()
	b := &box{t: t, upper: filepath.Join(dir, "upper"), lower: filepath.Join(dir, "0")}
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Mkdir(b.lower, 0o755))
	if fill != nil {
		fill(b.lower)
	}
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: firstID, Size: 65536}}
	b.IDs = snapshot.IDs{UIDs: ids, GIDs: ids}
	var err error
	b.Root, err = snapshot.Mount(snapshot.MountOptions{
		Layers: []snapshot.Layer{{Dir: b.lower}}, Upper: b.upper, Work: filepath.Join(dir, "work"), IDs: b.IDs, Method: snapshot.LowerFDs,
	})
	must(t, err)
	t.Cleanup(func() { b.Root.Close() })
	b.Executable, err = program()
	must(t, err)
	return b
}

// at is a path of the box as the test reaches it, without any protection.
func (b *box) at(name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", b.Root.Fd(), name) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list is a tar in short: a line each, sorted.
func list(t testing.TB, r io.Reader) []string {
	t.Helper()
	var out []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		body, err := io.ReadAll(tr)
		must(t, err)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%c %s %04o %d:%d %s%s", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid, h.Linkname, body)))
	}
	slices.Sort(out)
	return out
}

func (b *box) read(path string) []string {
	b.t.Helper()
	_, r, err := b.Read(b.t.Context(), path)
	must(b.t, err)
	defer r.Close()
	return list(b.t, r)
}

// entry is a record of an archive.
type entry struct {
	tar.Header
	body string
}

func archive(t testing.TB, list ...entry) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range list {
		e.Size = int64(len(e.body))
		if e.Mode == 0 {
			e.Mode = 0o644
		}
		if e.ModTime.IsZero() {
			e.ModTime = time.Unix(1e9, 0)
		}
		must(t, w.WriteHeader(&e.Header))
		_, err := io.WriteString(w, e.body)
		must(t, err)
	}
	must(t, w.Close())
	return &b
}

func file(name, body string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg}, body}
}

func dir(name string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}

func link(name, to string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777}, ""}
}

func fill(t testing.TB) func(dir string) {
	return func(d string) {
		must(t, os.MkdirAll(filepath.Join(d, "etc/app"), 0o755))
		must(t, os.WriteFile(filepath.Join(d, "etc/passwd"), []byte("root:x:0:0"), 0o644))
		must(t, os.WriteFile(filepath.Join(d, "etc/app/conf"), []byte("conf"), 0o600))
		must(t, os.Chown(filepath.Join(d, "etc/app/conf"), 7, 8))
		must(t, os.Link(filepath.Join(d, "etc/passwd"), filepath.Join(d, "etc/same")))
		must(t, os.Symlink("/etc/app", filepath.Join(d, "conf")))
		must(t, os.Symlink("nowhere", filepath.Join(d, "etc/dangling")))
		must(t, os.Symlink("../../../../../../etc/passwd", filepath.Join(d, "up")))
	}
}

func TestStatTellsWhatDockerTells(t *testing.T) {
	b := open(t, fill(t))
	for _, c := range []struct {
		path string
		want files.Stat
	}{
		{"/etc/passwd", files.Stat{Name: "passwd", Size: 10, Mode: 0o644}},
		{"etc/app", files.Stat{Name: "app", Mode: fs.ModeDir | 0o755}},
		{"/conf", files.Stat{Name: "conf", Mode: fs.ModeSymlink | 0o777, LinkTarget: "/etc/app"}},
		{"/conf/", files.Stat{Name: "conf", Mode: fs.ModeDir | 0o755}},
		{"/conf/.", files.Stat{Name: "conf", Mode: fs.ModeDir | 0o755}},
		{"/conf/conf", files.Stat{Name: "conf", Size: 4, Mode: 0o600}},
		{"/etc/dangling", files.Stat{Name: "dangling", Mode: fs.ModeSymlink | 0o777, LinkTarget: "/etc/nowhere"}},
		{"/up", files.Stat{Name: "up", Mode: fs.ModeSymlink | 0o777, LinkTarget: "/etc/passwd"}},
		{"/../../etc", files.Stat{Name: "etc", Mode: fs.ModeDir | 0o755}},
		{"/", files.Stat{Name: "/", Mode: fs.ModeDir | 0o755}},
	} {
		got, err := b.Stat(t.Context(), c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if got.Mtime.IsZero() {
			t.Errorf("%s: no time", c.path)
		}
		got.Mtime = time.Time{}
		if !got.Mode.IsRegular() {
			got.Size = 0 // of folders and links: as the file system likes
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.path, diff)
		}
	}
	for _, path := range []string{"/no", "/etc/passwd/x", "/etc/passwd/"} {
		if _, err := b.Stat(t.Context(), path); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestReadNamesEntriesAsDockerDoes(t *testing.T) {
	b := open(t, fill(t))
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/etc/app", []string{"0 app/conf 0600 7:8 conf", "5 app/ 0755 0:0"}},
		{"/etc/app/.", []string{"0 ./conf 0600 7:8 conf", "5 ./ 0755 0:0"}},
		{"/conf", []string{"2 conf 0777 0:0 /etc/app"}},
		{"/conf/", []string{"0 conf/conf 0600 7:8 conf", "5 conf/ 0755 0:0"}},
		{"/etc/passwd", []string{"0 passwd 0644 0:0 root:x:0:0"}},
		{"/etc", []string{
			"0 etc/app/conf 0600 7:8 conf", "0 etc/passwd 0644 0:0 root:x:0:0", "1 etc/same 0644 0:0 etc/passwd",
			"2 etc/dangling 0777 0:0 nowhere", "5 etc/ 0755 0:0", "5 etc/app/ 0755 0:0",
		}},
	} {
		if diff := cmp.Diff(c.want, b.read(c.path)); diff != "" {
			t.Errorf("%s: %s", c.path, diff)
		}
	}
}

// TestWriteMergesAsDockerDoes writes, reads back, and looks at the host's side.
func TestWriteMergesAsDockerDoes(t *testing.T) {
	b := open(t, fill(t))
	owned := file("app/new", "new")
	owned.Uid, owned.Gid = 1000, 1001
	err := b.Write(t.Context(), "/etc", archive(t,
		dir("./"), dir("app"), owned, file("app/conf", "changed"), link("app/link", "/etc/passwd"),
		entry{tar.Header{Name: "app/hard", Typeflag: tar.TypeLink, Linkname: "app/new"}, ""},
		file("deep/er/file", "x"), entry{tar.Header{Name: "app/fifo", Typeflag: tar.TypeFifo}, ""},
	), files.WriteOptions{})
	must(t, err)
	want := []string{
		"0 app/conf 0644 0:0 changed", "0 app/hard 0644 1000:1001 new", "1 app/new 0644 1000:1001 app/hard",
		"2 app/link 0777 0:0 /etc/passwd", "5 app/ 0755 0:0", "6 app/fifo 0644 0:0",
	}
	if diff := cmp.Diff(want, b.read("/etc/app")); diff != "" {
		t.Error(diff)
	}
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(b.upper, "etc/app/new"), &st))
	if st.Uid != firstID+1000 || st.Gid != firstID+1001 || st.Mtim.Sec != 1e9 {
		t.Errorf("on the host: %d:%d, time %d", st.Uid, st.Gid, st.Mtim.Sec)
	}
	must(t, b.Write(t.Context(), "/conf/", archive(t, owned), files.WriteOptions{Owner: &files.Owner{UID: 5, GID: 6}}))
	if got := b.read("/etc/app/app/new"); got[0] != "0 new 0644 5:6 new" {
		t.Error(got)
	}
	must(t, b.Mkdir(t.Context(), "/srv/a/b", 0o750, files.Owner{UID: 9, GID: 9}))
	if st, err := b.Stat(t.Context(), "/srv/a/b"); err != nil || st.Mode != fs.ModeDir|0o750 {
		t.Error(st, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	b := open(t, fill(t))
	far := file("x", "")
	far.Uid = 70000
	for _, c := range []struct {
		name, path string
		in         *bytes.Buffer
		o          files.WriteOptions
		code       string
	}{
		{"up", "/etc", archive(t, file("../x", "")), files.WriteOptions{}, "escapes-root"},
		{"up and down", "/etc", archive(t, file("a/../../x", "")), files.WriteOptions{}, "escapes-root"},
		{"hard link up", "/etc", archive(t, entry{tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "../../shadow"}, ""}), files.WriteOptions{}, "escapes-root"},
		{"device", "/etc", archive(t, entry{tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, ""}), files.WriteOptions{}, "no-devices"},
		{"owner", "/etc", archive(t, far), files.WriteOptions{}, "owner-outside"},
		{"file on folder", "/etc", archive(t, file("app", "")), files.WriteOptions{NoOverwriteDirNonDir: true}, "overwrite-folder"},
		{"folder on file", "/etc", archive(t, dir("passwd")), files.WriteOptions{NoOverwriteDirNonDir: true}, "overwrite-file"},
		{"not there", "/no", archive(t), files.WriteOptions{}, "path-not-found"},
		{"file", "/etc/passwd", archive(t), files.WriteOptions{}, "not-a-folder"},
		{"no archive", "/etc", bytes.NewBufferString(strings.Repeat("no archive ", 100)), files.WriteOptions{}, "bad-archive"},
	} {
		err := b.Write(t.Context(), c.path, c.in, c.o)
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	// Without the option one replaces the other.
	must(t, b.Write(t.Context(), "/etc", archive(t, file("app", "now a file"), dir("passwd"), file("passwd/x", "")), files.WriteOptions{}))
	if got := b.read("/etc/app"); got[0] != "0 app 0644 0:0 now a file" {
		t.Error(got)
	}
}

// TestLinksOfAnArchiveStayInside unpacks links and writes through them: they
// lead within the folder that is unpacked into.
func TestLinksOfAnArchiveStayInside(t *testing.T) {
	outside := t.TempDir()
	b := open(t, fill(t))
	must(t, b.Write(t.Context(), "/etc/app", archive(t,
		link("abs", outside), link("rel", "../../../../../../../../"+outside),
		entry{tar.Header{Name: "own", Typeflag: tar.TypeSymlink, Linkname: "/"}, ""}, file("own/through", "x"),
	), files.WriteOptions{}))
	for _, name := range []string{"abs/x", "rel/x"} {
		err := b.Write(t.Context(), "/etc/app", archive(t, file(name, "x")), files.WriteOptions{})
		if err == nil {
			continue // made within
		}
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != "not-a-folder" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("written to the host: %v %v", list, err)
	}
	if _, err := b.Stat(t.Context(), "/etc/app/through"); err != nil {
		t.Error(err)
	}
}
