package index

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func build(t testing.TB, s imagetest.Stack, lens tree.Lens) (*tree.Tree, []byte) {
	t.Helper()
	layers, _ := s.Layers()
	tr, err := tree.Build(layers, lens)
	if err != nil {
		t.Skipf("the lens refuses: %v", err)
	}
	b, err := Append(nil, Head{Image: imagecore.Image{Refs: []string{"a:b"}, Layers: layers}, Warnings: tr.Warnings()}, tr)
	if err != nil {
		t.Fatal(err)
	}
	return tr, b
}

func TestDecodeReadsWhatAppendWrote(t *testing.T) {
	for seed := range uint64(300) {
		tr, b := build(t, imagetest.Random(seed), tree.Spec)
		x, err := Decode(b)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		i, inodes := 0, map[int]int{}
		for p := range tr.Paths() {
			n := x.Nodes[i]
			i++
			if n.Name != p.Name() || n.Depth != p.Depth() {
				t.Fatalf("seed %d: node %d is %q at %d, want %q at %d", seed, i, n.Name, n.Depth, p.Name(), p.Depth())
			}
			var want []Version
			for _, v := range p.Versions() {
				w := of(tr, &v)
				if w.Inode >= 0 {
					if _, ok := inodes[w.Inode]; !ok {
						inodes[w.Inode] = len(inodes)
					}
					w.Inode = inodes[w.Inode]
				}
				want = append(want, w)
			}
			if d := cmp.Diff(want, n.Versions); d != "" {
				t.Fatalf("seed %d: %q: %s", seed, p, d)
			}
		}
		if i != len(x.Nodes) {
			t.Fatalf("seed %d: %d nodes, want %d", seed, len(x.Nodes), i)
		}
		if x.Head.Lens != "spec" || len(x.Head.Image.Layers) != tr.Layers() {
			t.Fatalf("seed %d: head %+v", seed, x.Head)
		}
	}
}

func TestAppendIsDeterministic(t *testing.T) {
	for seed := range uint64(50) {
		_, a := build(t, imagetest.Random(seed), tree.Spec)
		_, b := build(t, imagetest.Random(seed), tree.Spec)
		if !bytes.Equal(a, b) {
			t.Fatalf("seed %d: two builds differ", seed)
		}
	}
}

// TestViewsFollowFromTheIndex shows each view from decoded versions alone, by
// the rules of the package comment, as the page does.
func TestViewsFollowFromTheIndex(t *testing.T) {
	for seed := range uint64(200) {
		tr, b := build(t, imagetest.Random(seed), tree.Spec)
		x, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for n := range tr.Layers() + 1 {
			var got, want []string
			var path []string
			for _, node := range x.Nodes[1:] {
				path = append(path[:node.Depth-1], node.Name)
				for _, v := range node.Versions {
					if v.Kind != imagecore.Whiteout && v.Layer < n && (v.Until < 0 || v.Until >= n) {
						got = append(got, v.Kind.String()+" "+strings.Join(path, "/"))
					}
				}
			}
			for node := range tr.Walk(n) {
				want = append(want, node.Kind().String()+" "+node.Path())
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("seed %d after %d layers: %s", seed, n, d)
			}
		}
	}
}

// golden has an example of everything that the format can say.
const golden = `
-- layer --
d ./ mode=0755
d bin
f bin/tool "tool v1" mode=4755 xattr.security.capability="\x01\x00\xff"
h bin/alias -> bin/tool mode=4755
d etc
f etc/config "a" mtime=1000000007
f etc/motd "hello"
d var
f var/cache/one
f var/cache/two
s lib -> usr/lib
s "to-\xff" -> "nowhere-\xfe"
c dev/null dev=1:3 mode=0666
b dev/sda dev=8:0 mode=0660
p run/pipe
f "odd\nname" ""
d tmp mode=1777
f tmp/old
-- layer --
f etc/.wh.config ""
f etc/.wh.absent ""
f etc/motd "hello again" mtime=1000000009
f var/cache/.wh..wh..opq ""
f var/cache/three
h bin/copy -> bin/tool
f tmp/new
-- layer --
f lib "a file now"
f .wh.var ""
d etc uid=5 gid=6 mode=0700
f etc/config "back"
`

// TestGolden holds the format still: testdata is what the decoder of the page
// is tested against.
func TestGolden(t *testing.T) {
	_, b := build(t, imagetest.MustParse(golden), tree.Spec)
	x, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := json.MarshalIndent(renderIndex(x), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	rendered = append(rendered, '\n')
	for name, got := range map[string][]byte{"small.index": b, "small.json": rendered} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs (go test -update rewrites it, and breaks the page's decoder unless the format's version rises): %s", path, cmp.Diff(string(want), string(got)))
		}
	}
}

// renderIndex puts the whole index into JSON; bytes are base64, what does not apply
// is left out.
func renderIndex(x *Index) map[string]any {
	var nodes []map[string]any
	for _, n := range x.Nodes {
		versions := []map[string]any{}
		for _, v := range n.Versions {
			m := map[string]any{"kind": int(v.Kind), "flags": int(v.Flags), "layer": v.Layer, "until": v.Until + 1}
			set := func(yes bool, key string, value any) {
				if yes {
					m[key] = value
				}
			}
			set(v.Until >= 0, "cause", int(v.Cause))
			set(v.Flags&Implicit == 0, "offset", v.Offset)
			there := v.Kind != imagecore.Whiteout
			set(there, "mode", v.Mode)
			set(there, "uid", v.UID)
			set(there, "gid", v.GID)
			set(there, "mtime", v.ModTime)
			set(v.Flags&Nanoseconds != 0, "nsec", v.ModNano)
			set(v.Kind == imagecore.File, "size", v.Size)
			set(v.Kind == imagecore.File, "data", v.Data)
			set(v.Flags&Copied != 0, "home", v.Home)
			set(v.Flags&Linked != 0, "inode", v.Inode)
			set(v.Kind == imagecore.Symlink, "target", []byte(v.Target))
			set(v.Kind == imagecore.Char || v.Kind == imagecore.Block, "dev", []uint32{v.Major, v.Minor})
			var xattrs []map[string][]byte
			for _, a := range v.Xattrs {
				xattrs = append(xattrs, map[string][]byte{"key": []byte(a.Key), "value": []byte(a.Value)})
			}
			set(len(xattrs) > 0, "xattrs", xattrs)
			set(v.Flags&Opaque != 0, "opaqueOffset", v.OpaqueOffset)
			versions = append(versions, m)
		}
		nodes = append(nodes, map[string]any{"depth": n.Depth, "name": []byte(n.Name), "versions": versions})
	}
	return map[string]any{"head": x.Head, "nodes": nodes}
}

func TestDecodeRefusesEveryCut(t *testing.T) {
	_, b := build(t, imagetest.MustParse(golden), tree.Spec)
	for n := range len(b) {
		if _, err := Decode(b[:n]); !errors.Is(err, imagecore.ErrInvalid) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := Decode(append(b[:len(b):len(b)], 0)); !errors.Is(err, imagecore.ErrInvalid) {
		t.Fatalf("one byte too many: %v", err)
	}
}

// encode writes the nodes of x; Decode reads them back as they are.
func encode(x *Index) []byte {
	head, err := json.Marshal(x.Head)
	if err != nil {
		panic(err)
	}
	w := writer{b: append([]byte(magic), format)}
	w.string(string(head))
	w.b = binary.AppendUvarint(w.b, uint64(len(x.Nodes)))
	for i := range x.Nodes {
		n := &x.Nodes[i]
		w.uint(uint64(n.Depth))
		w.string(n.Name)
		w.uint(uint64(len(n.Versions)))
		for j := range n.Versions {
			w.version(&n.Versions[j])
		}
	}
	return w.b
}

func FuzzDecode(f *testing.F) {
	for seed := range uint64(8) {
		_, b := build(f, imagetest.Random(seed), tree.Spec)
		f.Add(b)
	}
	_, b := build(f, imagetest.MustParse(golden), tree.Spec)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Decode(b)
		if err != nil {
			if !errors.Is(err, imagecore.ErrInvalid) {
				t.Fatalf("the kind of %v", err)
			}
			return
		}
		y, err := Decode(encode(x))
		if err != nil {
			t.Fatalf("what was decoded and encoded is refused: %v", err)
		}
		if d := cmp.Diff(x.Nodes, y.Nodes); d != "" {
			t.Fatal(d)
		}
	})
}
