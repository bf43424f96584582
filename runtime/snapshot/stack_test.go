//go:build linux

package snapshot

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// stack is an image in memory: the uncompressed tars of its layers.
type stack [][]byte

// build scans the layers and merges them.
func (s stack) build(t testing.TB) *tree.Tree {
	t.Helper()
	var layers []imagecore.Layer
	for i, b := range s {
		l := imagecore.Layer{Index: i, Present: true, TarSize: int64(len(b))}
		sc := tarscan.NewReaderAt(bytes.NewReader(b), int64(len(b)), tarscan.Options{Limits: imagecore.DefaultLimits(), Whiteouts: true})
		for {
			var e imagecore.Entry
			err := sc.Next(&e)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			l.Entries = append(l.Entries, e)
		}
		layers = append(layers, l)
	}
	tr, err := tree.Build(layers, "spec")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func (s stack) content(layer int) (io.ReaderAt, error) { return bytes.NewReader(s[layer]), nil }

// unpack makes the folders of all layers below dir.
func (s stack) unpack(t testing.TB, dir string, tr *tree.Tree) []Layer {
	t.Helper()
	var layers []Layer
	for i := range s {
		l := filepath.Join(dir, fmt.Sprint(i))
		if err := Unpack(context.Background(), l, tr, i, s.content, UnpackOptions{}); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, Layer{Dir: l})
	}
	return layers
}

// describeView writes a view as text, a line per path.
func describeView(t testing.TB, v *tree.View, s stack) []string {
	t.Helper()
	var lines []string
	line := func(n tree.Node) {
		a := n.Attr()
		_, first := n.Links()
		d := fmt.Sprintf("%q %s %04o %d:%d %d.%09d", n.Path(), n.Kind(), a.Mode, a.UID, a.GID, a.ModTime, a.ModNano)
		switch n.Kind() {
		case imagecore.File:
			e := n.Content()
			b, err := io.ReadAll(tree.Content(bytes.NewReader(s[e.Layer]), v.Tree().Entry(e)))
			if err != nil {
				t.Fatal(err)
			}
			d += fmt.Sprintf(" %d %x first=%q", n.Size(), sha256.Sum256(b), first)
		case imagecore.Symlink:
			d = fmt.Sprintf("%q symlink %d:%d %d.%09d -> %q", n.Path(), a.UID, a.GID, a.ModTime, a.ModNano, n.Target())
		case imagecore.Char, imagecore.Block:
			d += fmt.Sprintf(" dev %d:%d", a.Major, a.Minor)
		}
		for _, x := range a.Xattrs {
			if n.Kind() == imagecore.File || n.Kind() == imagecore.Dir {
				d += fmt.Sprintf(" %s=%x", x.Key, x.Value)
			}
		}
		lines = append(lines, d)
	}
	line(v.Root())
	for n := range v.All() {
		line(n)
	}
	return lines
}

// describeDisk writes what is mounted at root in the same manner; base is
// subtracted from owners.
func describeDisk(t testing.TB, root string, base uint32) []string {
	t.Helper()
	type inode struct{ dev, ino uint64 }
	first := map[inode]string{}
	type found struct {
		path string
		st   unix.Stat_t
	}
	var all []found
	err := filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f := found{path: strings.TrimPrefix(strings.TrimPrefix(p, root), "/")}
		if err := unix.Lstat(p, &f.st); err != nil {
			return err
		}
		all = append(all, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Slice(all, func(i, j int) bool { return lessPath(all[i].path, all[j].path) })
	var lines []string
	for _, f := range all {
		p, st := filepath.Join(root, f.path), &f.st
		owner := fmt.Sprintf("%d:%d %d.%09d", st.Uid-base, st.Gid-base, st.Mtim.Sec, st.Mtim.Nsec)
		d := fmt.Sprintf("%q %s %04o %s", f.path, kindOf(st), st.Mode&0o7777, owner)
		switch kindOf(st) {
		case imagecore.File:
			id := inode{st.Dev, st.Ino}
			if _, ok := first[id]; !ok || st.Nlink == 1 {
				first[id] = f.path
			}
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			d += fmt.Sprintf(" %d %x first=%q", st.Size, sha256.Sum256(b), first[id])
		case imagecore.Symlink:
			target, err := os.Readlink(p)
			if err != nil {
				t.Fatal(err)
			}
			d = fmt.Sprintf("%q symlink %s -> %q", f.path, owner, target)
		case imagecore.Char, imagecore.Block:
			d += fmt.Sprintf(" dev %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		names, err := listXattrsAt(p)
		if err != nil {
			t.Fatal(err)
		}
		ids := IDs{} // capabilities name the container's root; what is wanted is the image's
		if base != 0 {
			ids = testIDs()
		}
		xattrs, err := ids.xattrs(f.path, names, func(name string) ([]byte, error) { return getXattrAt(p, name) })
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range xattrs {
			d += fmt.Sprintf(" %s=%x", x.Key, x.Value)
		}
		lines = append(lines, d)
	}
	return lines
}

func lessPath(a, b string) bool {
	return strings.ReplaceAll(a, "/", "\x00") < strings.ReplaceAll(b, "/", "\x00")
}

// check compares tree and kernel, with and without idmapping.
func (s stack) check(t *testing.T) {
	t.Helper()
	tr := s.build(t)
	dir := t.TempDir()
	layers := s.unpack(t, dir, tr)
	want := strings.Join(describeView(t, tr.Top(), s), "\n")
	for _, ids := range []IDs{{}, testIDs()} {
		base := uint32(0)
		if !ids.identity() {
			base = testBase
		}
		up := t.TempDir()
		root, err := Mount(MountOptions{Layers: layers, Upper: up + "/upper", Work: up + "/work", IDs: ids})
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if got := strings.Join(describeDisk(t, attachRoot(t, root), base), "\n"); got != want {
			t.Fatalf("base %d: the kernel shows\n%s\nthe tree says\n%s", base, got, want)
		}
	}
}

// corpus returns the folder with real images.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "images")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of images at %s (set LAYERLAB_CORPUS)", dir)
	}
	return dir
}

// readSaved reads a docker save archive of one image, as small as the engine
// cases are, without the code under test elsewhere.
func readSaved(t testing.TB, path string) stack {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	var s stack
	for _, l := range manifest[0].Layers {
		s = append(s, files[l])
	}
	return s
}

func TestTheKernelShowsTheTreeForTheEngineCases(t *testing.T) {
	needRoot(t)
	cases, err := filepath.Glob(filepath.Join(corpus(t), "engines", "*.tar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no engine cases: %v", err)
	}
	for _, c := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(c), ".tar"), func(t *testing.T) { readSaved(t, c).check(t) })
	}
	t.Logf("%d corpus files", len(cases))
}

// randomStack makes layers in which few names meet often: whiteouts, opaque
// marks, replaced kinds, hard links, sparse times.
func randomStack(seed uint64) stack {
	r := rand.New(rand.NewPCG(seed, 1))
	name := func() string { return string("abc"[r.IntN(3)]) }
	path := func() string {
		p := name()
		for r.IntN(2) == 0 {
			p += "/" + name()
		}
		return p
	}
	var s stack
	for range 1 + r.IntN(5) {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for range r.IntN(12) {
			h := &tar.Header{
				Name: path(), Mode: int64(r.IntN(0o10000)), Uid: r.IntN(2000), Gid: r.IntN(2000),
				ModTime: time.Unix(int64(r.IntN(1<<31)), int64(r.IntN(1e9))), Format: tar.FormatPAX,
			}
			var body []byte
			switch r.IntN(12) {
			case 0, 1, 2:
				h.Typeflag = tar.TypeDir
			case 3:
				h.Typeflag, h.Linkname = tar.TypeSymlink, path()
			case 4:
				h.Typeflag, h.Linkname = tar.TypeLink, path()
			case 5:
				h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, 3
			case 6:
				h.Typeflag = tar.TypeFifo
			case 7:
				h.Typeflag, h.Name = tar.TypeReg, filepath.Join(filepath.Dir(h.Name), ".wh."+filepath.Base(h.Name))
			case 8:
				h.Typeflag, h.Name = tar.TypeReg, filepath.Join(filepath.Dir(h.Name), ".wh..wh..opq")
			default:
				h.Typeflag = tar.TypeReg
				body = bytes.Repeat([]byte(h.Name), r.IntN(300))
				h.Size = int64(len(body))
				if r.IntN(3) == 0 {
					h.PAXRecords = map[string]string{"SCHILY.xattr.user.k": name()}
				}
			}
			if err := w.WriteHeader(h); err != nil {
				panic(err)
			}
			if _, err := w.Write(body); err != nil {
				panic(err)
			}
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		s = append(s, buf.Bytes())
	}
	return s
}

func TestTheKernelShowsTheTreeForRandomStacks(t *testing.T) {
	needRoot(t)
	n := uint64(100)
	if testing.Short() {
		n = 20
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomStack(seed).check(t) })
	}
}
