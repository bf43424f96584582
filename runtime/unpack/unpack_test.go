//go:build linux

package unpack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/runtime/confine"
	"github.com/layerlab/layerlab/runtime/sealed"
	"github.com/layerlab/layerlab/runtime/snapshot"
)

// program builds what stands in for layerlab-runtime: without cgo, as the real
// one, since a process with C threads cannot give up its capabilities in all.
var program = sync.OnceValues(func() (Program, error) {
	dir, err := os.MkdirTemp("", "layerlab-unpack-")
	if err != nil {
		return Program{}, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir+"/runtime", "./testdata/runtime")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("%w: %s", err, out)
	}
	f, err := os.Open(dir + "/runtime")
	if err != nil {
		return Program{}, err
	}
	defer f.Close()
	file, err := sealed.Copy("layerlab-runtime", f)
	return Program{file}, err
})

func real(t testing.TB) Program {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: layers have devices, owners and trusted attributes")
	}
	p, err := program()
	must(t, err)
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// folder describes all that a folder holds, a line each.
func folder(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	first := map[uint64]string{}
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 {
			st.Mtim = unix.Timespec{} // a whiteout has the time of its making
		}
		line := fmt.Sprintf("%q %o %d:%d %d.%d %x", rel, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec, st.Rdev)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", b)
			if st.Nlink > 1 {
				if first[st.Ino] == "" {
					first[st.Ino] = rel
				}
				line += " = " + first[st.Ino]
			}
		case unix.S_IFLNK:
			to, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + to
		}
		buf := make([]byte, 4096)
		n, _ := unix.Llistxattr(name, buf)
		names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
		slices.Sort(names)
		for _, x := range names {
			if x != "" {
				n, err := unix.Lgetxattr(name, x, buf)
				if err != nil {
					return err
				}
				line += fmt.Sprintf(" %s=%x", x, buf[:n])
			}
		}
		out = append(out, line)
		return nil
	}))
	return out
}

// TestBothWaysMakeTheSameFolders unpacks generated stacks in this process and in
// the confined one.
func TestBothWaysMakeTheSameFolders(t *testing.T) {
	p := real(t)
	layers := 0
	for seed := range uint64(40) {
		stack, tars := imagetest.Random(seed).Layers()
		merged, err := tree.Build(stack, tree.Spec)
		must(t, err)
		// Half of them from files, half from what has to be copied to one.
		content := func(layer int) (io.ReaderAt, error) { return bytes.NewReader(tars[layer]), nil }
		handed := content
		if seed%2 == 0 {
			handed = func(layer int) (io.ReaderAt, error) {
				f, err := os.Create(filepath.Join(t.TempDir(), "tar"))
				must(t, err)
				t.Cleanup(func() { f.Close() })
				_, err = f.Write(append([]byte("before"), tars[layer]...))
				return io.NewSectionReader(io.NewSectionReader(f, 2, 1<<40), 4, int64(len(tars[layer]))), err
			}
		}
		dir := t.TempDir()
		for i := range stack {
			here, there := filepath.Join(dir, fmt.Sprint("here", i)), filepath.Join(dir, fmt.Sprint("there", i))
			errHere := snapshot.Unpack(t.Context(), here, merged, i, content, snapshot.UnpackOptions{})
			errThere := p.Unpack(t.Context(), there, merged, i, handed, snapshot.UnpackOptions{})
			if errHere != nil || errThere != nil {
				if fmt.Sprint(errHere) != fmt.Sprint(errThere) {
					t.Errorf("stack %d layer %d: here %v, confined %v", seed, i, errHere, errThere)
				}
				continue
			}
			if diff := cmp.Diff(folder(t, here), folder(t, there)); diff != "" {
				t.Errorf("stack %d layer %d: %s", seed, i, diff)
			}
			layers++
		}
	}
	t.Logf("%d layers", layers)
	if layers < 40 {
		t.Error("hardly any layer was unpacked")
	}
}

// send runs the process on a list that no tree would make, in a folder within
// dir.
func send(t *testing.T, p Program, dir string, list ...snapshot.Item) error {
	t.Helper()
	tar := filepath.Join(t.TempDir(), "tar")
	must(t, os.WriteFile(tar, []byte("evil"), 0o600))
	f, err := os.Open(tar)
	must(t, err)
	defer f.Close()
	return snapshot.Make(filepath.Join(dir, "layer"), func(root *os.File) error {
		items := func(yield func(*snapshot.Item, error) bool) {
			if !yield(&snapshot.Item{LayerChange: tree.LayerChange{Kind: imagecore.Dir, Attr: tree.Attr{Mode: 0o755}}}, nil) {
				return
			}
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
		}
		return p.execute(t.Context(), root, job{Tars: []source{{Layer: 0, Size: 4}}}, []*os.File{f}, items, snapshot.UnpackOptions{})
	})
}

func item(kind imagecore.Kind, path, link string) snapshot.Item {
	it := snapshot.Item{LayerChange: tree.LayerChange{Kind: kind, Path: path, Link: link, Attr: tree.Attr{Mode: 0o4755}}}
	if kind == imagecore.File {
		it.Size, it.Pieces = 4, []snapshot.Piece{{Size: 4}}
	}
	return it
}

// TestListThatTriesToLeaveIsRefused gives the process what a list would be if
// the tree's rules had a hole.
func TestListThatTriesToLeaveIsRefused(t *testing.T) {
	p := real(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600))
	for name, list := range map[string][]snapshot.Item{
		"up":                        {item(imagecore.File, "../evil", "")},
		"up and up":                 {item(imagecore.File, "../../../../../../evil", "")},
		"absolute":                  {item(imagecore.File, dir+"/evil", "")},
		"through a link":            {item(imagecore.Symlink, "l", dir), item(imagecore.File, "l/evil", "")},
		"through a link up":         {item(imagecore.Symlink, "l", ".."), item(imagecore.File, "l/evil", "")},
		"link in the place":         {item(imagecore.Symlink, "evil", "../secret"), item(imagecore.File, "evil", "")},
		"swapped for a link":        {item(imagecore.Dir, "d", ""), item(imagecore.Symlink, "d", dir), item(imagecore.File, "d/evil", "")},
		"hard link outside":         {item(imagecore.Hardlink, "evil", "../secret")},
		"hard link by a link":       {item(imagecore.Symlink, "l", dir), item(imagecore.Hardlink, "evil", "l/secret")},
		"hard link to an absolute":  {item(imagecore.Hardlink, "evil", dir+"/secret")},
		"hard link to /etc/passwd":  {item(imagecore.Hardlink, "evil", "/etc/passwd")},
		"a link as a folder's name": {item(imagecore.Symlink, "l", dir), item(imagecore.Dir, "l", "")},
		"proc":                      {item(imagecore.Hardlink, "evil", "proc/self/root/etc/passwd")},
		"whiteout elsewhere":        {item(imagecore.Whiteout, "../secret", "")},
		"no name":                   {item(imagecore.Dir, "d", ""), item(imagecore.File, "d/", "")},
		"a kind of its own":         {{LayerChange: tree.LayerChange{Kind: 200, Path: "x"}}},
	} {
		err := send(t, p, dir, list...)
		if err == nil {
			t.Errorf("%s: was unpacked", name)
		}
		left, err := os.ReadDir(dir)
		if body, readErr := os.ReadFile(filepath.Join(dir, "secret")); err != nil || len(left) != 1 || readErr != nil || string(body) != "secret" {
			t.Errorf("%s: left %v, secret %q", name, left, body)
		}
	}
	if list, err := filepath.Glob("/tmp/evil"); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
	// What such a list may hold, it holds: a link that leads nowhere good is
	// only text.
	must(t, send(t, p, dir, item(imagecore.Symlink, "l", "/etc/passwd"), item(imagecore.File, "f", "")))
}

// TestNobodyElseReachesALayer is CVE-2021-41091: setuid files of images must not
// be executable by other users of the host. The folder above them is the
// server's, 0700; see package store.
func TestNobodyElseReachesALayer(t *testing.T) {
	p := real(t)
	data, err := os.MkdirTemp("", "layerlab-data-") // 0700, as the data folder
	must(t, err)
	defer os.RemoveAll(data)
	must(t, os.Mkdir(filepath.Join(data, "layers"), 0o755))
	must(t, send(t, p, filepath.Join(data, "layers"), item(imagecore.File, "su", "")))
	su := filepath.Join(data, "layers", "layer", "su")
	info, err := os.Stat(su)
	must(t, err)
	if info.Mode()&fs.ModeSetuid == 0 {
		t.Error("the image's setuid bit is lost")
	}
	cmd := exec.Command(su)
	cmd.SysProcAttr = asNobody()
	if err := cmd.Run(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user ran it: %v", err)
	}
}

// TestContentThatIsCutShortIsTheArchivesFault keeps the kind and place of an
// error across the pipe, and leaves nothing behind.
func TestContentThatIsCutShortIsTheArchivesFault(t *testing.T) {
	p := real(t)
	dir := t.TempDir()
	it := item(imagecore.File, "f", "")
	it.Size, it.Pieces, it.Entry, it.Offset = 5, []snapshot.Piece{{Size: 5}}, "f", 512
	err := send(t, p, dir, it)
	var e *imagecore.Error
	if !errors.As(err, &e) || !errors.Is(err, imagecore.ErrInvalid) || e.Code != "truncated" || !strings.Contains(err.Error(), `tar entry "f" at byte 512`) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

// TestCancelAndDeathLeaveNothing ends the process in the middle of its work.
func TestCancelAndDeathLeaveNothing(t *testing.T) {
	p := real(t)
	for name, end := range map[string]func(cancel func(), pid int){
		"cancel": func(cancel func(), _ int) { cancel() },
		"kill":   func(_ func(), pid int) { _ = unix.Kill(pid, unix.SIGKILL) },
	} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		err := snapshot.Make(filepath.Join(dir, "layer"), func(root *os.File) error {
			n := 0
			endless := func(yield func(*snapshot.Item, error) bool) {
				for {
					it := item(imagecore.Dir, fmt.Sprint(n), "")
					if n == 0 {
						it.Path = ""
					}
					if n++; n == 5000 {
						end(cancel, child(t))
					}
					if !yield(&it, nil) {
						return
					}
				}
			}
			return p.execute(ctx, root, job{}, nil, endless, snapshot.UnpackOptions{})
		})
		cancel()
		if name == "cancel" && !errors.Is(err, context.Canceled) || name == "kill" && !errors.Is(err, imagecore.ErrHost) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v %v", name, left, err)
		}
	}
}

// child finds the process.
func child(t *testing.T) int {
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for _, pid := range strings.Fields(string(b)) {
			if line, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.HasPrefix(string(line), "layerlab-runtime\x00unpack") {
				var n int
				_, _ = fmt.Sscan(pid, &n)
				return n
			}
		}
	}
	t.Error("no process is there")
	return 0
}

// TestProcessHoldsNothingElse looks at it from outside while it waits for the
// rest of its list.
func TestProcessHoldsNothingElse(t *testing.T) {
	p := real(t)
	dir := t.TempDir()
	looked := errors.New("looked")
	err := snapshot.Make(filepath.Join(dir, "layer"), func(root *os.File) error {
		first := func(yield func(*snapshot.Item, error) bool) {
			list := []snapshot.Item{item(imagecore.Dir, "", "")}
			for n := range 5000 { // more than pipes and buffers hold: it is at work
				list = append(list, item(imagecore.Dir, fmt.Sprint(strings.Repeat("x", 200), n), ""))
			}
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
			proc := fmt.Sprint("/proc/", child(t))
			status, err := os.ReadFile(proc + "/status")
			if err != nil {
				t.Error(err)
			}
			var keep uint64
			for _, c := range []uint{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_MKNOD, unix.CAP_SETFCAP, unix.CAP_SYS_ADMIN} {
				keep |= 1 << c
			}
			for _, want := range []string{"Seccomp:\t2", "NoNewPrivs:\t1", fmt.Sprintf("CapEff:\t%016x", keep), fmt.Sprintf("CapBnd:\t%016x", keep), "CapInh:\t0000000000000000"} {
				if !strings.Contains(string(status), want+"\n") {
					t.Errorf("not %q in its status:\n%s", want, status)
				}
			}
			if here, err := os.Readlink(proc + "/root"); err != nil || !strings.HasPrefix(filepath.Base(here), snapshot.PartialPrefix) {
				t.Errorf("its root is %s: %v", here, err)
			}
			links, _ := filepath.Glob(proc + "/fd/*")
			for _, l := range links {
				if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, "socket:") {
					t.Errorf("a socket is open: %s", to)
				}
			}
			yield(nil, looked)
		}
		return p.execute(t.Context(), root, job{}, nil, first, snapshot.UnpackOptions{})
	})
	if !errors.Is(err, looked) {
		t.Error(err)
	}
}

// TestListSurvivesThePipe compares what comes out with what went in.
func TestListSurvivesThePipe(t *testing.T) {
	want := []snapshot.Item{
		item(imagecore.Dir, "", ""), item(imagecore.Symlink, "a\xff", "../\x01"),
		{LayerChange: tree.LayerChange{Kind: imagecore.Char, Path: "c", Attr: tree.Attr{Major: 5, Minor: 1 << 19, ModTime: -1, ModNano: 999999999, UID: 1<<32 - 2, Xattrs: []imagecore.Xattr{{Key: "user.k", Value: "v\x00"}}}}},
		{LayerChange: tree.LayerChange{Kind: imagecore.File, Path: "f", Size: 1 << 40, Content: tree.Ref{Layer: 3}}, Pieces: []snapshot.Piece{{To: 1, From: 2, Size: 3}, {To: 5, From: 6, Size: 7}}, Entry: "./f", Offset: 512},
	}
	var b bytes.Buffer
	e := encoder{w: bufio.NewWriter(&b)}
	must(t, e.list(func(yield func(*snapshot.Item, error) bool) {
		for i := range want {
			if !yield(&want[i], nil) {
				return
			}
		}
	}))
	whole := bytes.Clone(b.Bytes())
	var got []snapshot.Item
	for it, err := range (&decoder{r: bufio.NewReader(&b)}).list() {
		must(t, err)
		got = append(got, *it)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for n := range whole { // cut short anywhere it is an error
		if err := last((&decoder{r: bufio.NewReader(bytes.NewReader(whole[:n]))}).list()); err == nil {
			t.Errorf("the first %d of %d bytes pass for a list", n, len(whole))
		}
	}
}

func last(list iter.Seq2[*snapshot.Item, error]) (err error) {
	for _, err = range list {
		continue
	}
	return err
}

func FuzzDecode(f *testing.F) {
	it := item(imagecore.File, "f", "")
	f.Add(appendItem(nil, &it))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = last((&decoder{r: bufio.NewReader(bytes.NewReader(b))}).list())
	})
}

// TestFilterRefusesEverythingElse tries in a confined process what a hole in it
// would try; the process is this test again, built without cgo.
func TestFilterRefusesEverythingElse(t *testing.T) {
	real(t)
	bin := filepath.Join(t.TempDir(), "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(bin)
	must(t, err)
	defer f.Close()
	root, err := os.Open(t.TempDir())
	must(t, err)
	defer root.Close()
	run := confine.Command(f, "probe", nil, nil, root)
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "nothing was reached") {
		t.Errorf("%v: %s", err, out)
	}
}
