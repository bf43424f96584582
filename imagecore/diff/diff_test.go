package diff_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// build returns the tree of a stack and a comparison of contents within it.
func build(t *testing.T, s imagetest.Stack) (*tree.Tree, diff.Same) {
	t.Helper()
	layers, tars := s.Layers()
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	open := imagetest.Opener(tars)
	return tr, diff.SameContent(open, open)
}

// lines renders what a listing shows of a layer's changes.
func lines(t *testing.T, tr *tree.Tree, layer int, same diff.Same) []string {
	t.Helper()
	var out []string
	for c, err := range diff.Layer(tr, layer, same) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Implied {
			continue
		}
		line := string(rune(c.Kind)) + " " + diff.Quote(c.Path)
		if len(c.What) > 0 {
			line += " " + strings.Join(c.What, ",")
		}
		out = append(out, line)
	}
	return out
}

// The changeset that Docker's image specification v1.0 takes as its example
// has three changes, and lists three.
func TestSpecificationsExampleHasItsThreeChanges(t *testing.T) {
	tr, same := build(t, imagetest.MustParse(`
-- layer --
f etc/my-app-config
f bin/my-app-binary
f bin/my-app-tools "tools, version 1"
-- layer --
f etc/my-app.d/default.cfg
f bin/my-app-tools "tools, version 2"
f etc/.wh.my-app-config ""
`))
	want := []string{"C bin/my-app-tools content", "D etc/my-app-config", "A etc/my-app.d/default.cfg"}
	if d := cmp.Diff(want, lines(t, tr, 1, same)); d != "" {
		t.Error(d)
	}
	want = []string{"A bin/my-app-binary", "A bin/my-app-tools", "A etc/my-app-config"}
	if d := cmp.Diff(want, lines(t, tr, 0, same)); d != "" {
		t.Error(d)
	}
}

func TestLayerChanges(t *testing.T) {
	tr, same := build(t, imagetest.MustParse(`
-- layer --
d d
f d/same "x"
f d/mode "x"
f d/time "x"
f d/xattr "x"
f d/size "x"
s d/link -> a
c d/dev dev=1:3
f d/retyped
d gone
f gone/one
d gone/deep
f gone/deep/two
f h1 "x"
f empty ""
-- layer --
d d mtime=1000000005
f d/same "x"
f d/mode "x" mode=4755 uid=3
f d/time "x" mtime=1000000009
f d/xattr "x" xattr.user.a="1"
f d/size "xx"
s d/link -> b
c d/dev dev=1:5
d d/retyped
f d/retyped/in
f .wh.gone ""
h h2 -> h1
d new
f .wh.nothing ""
f a/only/whiteouts/.wh.x ""
`))
	want := []string{
		"A a/only/whiteouts",
		"C d/dev dev",
		"C d/link target",
		"C d/mode mode,uid",
		"C d/retyped type",
		"A d/retyped/in",
		"C d/size size,content",
		"C d/time mtime",
		"C d/xattr xattrs",
		"D gone",
		"D gone/deep",
		"D gone/deep/two",
		"D gone/one",
		"C h1 links",
		"A h2",
		"A new",
	}
	if d := cmp.Diff(want, lines(t, tr, 1, same)); d != "" {
		t.Error(d)
	}
	if !slices.Contains(lines(t, tr, 1, nil), "C d/same content") {
		t.Error("without a comparison a file written anew must count as changed")
	}
}

// TestChangesLeadFromBeforeToAfter applies the changes to the one set of paths
// and wants the other.
func TestChangesLeadFromBeforeToAfter(t *testing.T) {
	for seed := range uint64(200) {
		a, _ := build(t, imagetest.Random(seed))
		b, _ := build(t, imagetest.Random(seed+1000))
		layersA, tarsA := imagetest.Random(seed).Layers()
		_, tarsB := imagetest.Random(seed + 1000).Layers()
		_ = layersA
		views := [][2]*tree.View{{a.Top(), b.Top()}, {a.View(1), a.Top()}, {b.Top(), b.View(0)}}
		tars := [][2][][]byte{{tarsA, tarsB}, {tarsA, tarsA}, {tarsB, tarsB}}
		for i, v := range views {
			have := describe(t, v[0], tars[i][0])
			last := ""
			for c, err := range diff.Trees(v[0], v[1], diff.SameContent(imagetest.Opener(tars[i][0]), imagetest.Opener(tars[i][1]))) {
				if err != nil {
					t.Fatal(err)
				}
				if c.Path == "" {
					continue
				}
				if last != "" && tree.ComparePaths(last, c.Path) >= 0 {
					t.Fatalf("seed %d: %q after %q", seed, c.Path, last)
				}
				last = c.Path
				switch c.Kind {
				case diff.Deleted:
					delete(have, c.Path)
				default:
					if _, there := have[c.Path]; there != (c.Kind == diff.Changed) {
						t.Fatalf("seed %d: %c %q", seed, c.Kind, c.Path)
					}
					have[c.Path] = describeNode(t, *c.After, tars[i][1])
				}
			}
			if d := cmp.Diff(describe(t, v[1], tars[i][1]), have); d != "" {
				t.Fatalf("seed %d, views %d: %s", seed, i, d)
			}
		}
	}
}

// describe maps paths to all that a change can be about, but for the times of
// folders.
func describe(t *testing.T, v *tree.View, tars [][]byte) map[string]string {
	m := map[string]string{}
	for n := range v.All() {
		m[n.Path()] = describeNode(t, n, tars)
	}
	return m
}

func describeNode(t *testing.T, n tree.Node, tars [][]byte) string {
	t.Helper()
	e := diff.Entry(n)
	e.Layer = 0
	if e.Type == "dir" {
		e.ModTime = ""
	}
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	content := ""
	if n.Kind() == imagecore.File {
		ref := n.Content()
		entry := n.View().Tree().Entry(ref)
		content = string(tars[ref.Layer][entry.DataOffset : entry.DataOffset+entry.Size])
	}
	return fmt.Sprintf("%s %q", raw, content)
}

func TestEntryJSON(t *testing.T) {
	tr, _ := build(t, imagetest.MustParse(`
-- layer --
d opt mode=1777 uid=1 gid=2
f opt/app "12345" mode=4755 xattr.user.k="\x00\xff"
h opt/zap -> opt/app mode=4755
s l -> opt/app
s "bad-\xff%" -> "to-\xfe"
c null dev=1:3 mode=0666
p pipe mtime=-1
`))
	var got []string
	for n := range tr.Top().All() {
		raw, err := json.Marshal(diff.Entry(n))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(raw))
	}
	want := []string{
		`{"path":"bad-%FF%25","type":"symlink","uid":0,"gid":0,"mtime":"2001-09-09T01:46:40Z","target":"to-%FE","layer":0,"pathBytes":"YmFkLf8l","targetBytes":"dG8t/g=="}`,
		`{"path":"l","type":"symlink","uid":0,"gid":0,"mtime":"2001-09-09T01:46:40Z","target":"opt/app","layer":0}`,
		`{"path":"null","type":"char","mode":"0666","uid":0,"gid":0,"mtime":"2001-09-09T01:46:40Z","dev":"1:3","layer":0}`,
		`{"path":"opt","type":"dir","mode":"1777","uid":1,"gid":2,"mtime":"2001-09-09T01:46:40Z","layer":0}`,
		`{"path":"opt/app","type":"file","mode":"4755","uid":0,"gid":0,"size":5,"mtime":"2001-09-09T01:46:40Z","nlink":2,"first":"opt/app","xattrs":{"user.k":"AP8="},"layer":0}`,
		`{"path":"opt/zap","type":"file","mode":"4755","uid":0,"gid":0,"size":5,"mtime":"2001-09-09T01:46:40Z","nlink":2,"first":"opt/app","xattrs":{"user.k":"AP8="},"layer":0}`,
		`{"path":"pipe","type":"fifo","mode":"0644","uid":0,"gid":0,"mtime":"1969-12-31T23:59:59Z","layer":0}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestQuoteKeepsTerminalsSafe(t *testing.T) {
	for in, want := range map[string]string{
		"usr/bin/tool":  "usr/bin/tool",
		"文件":            "文件",
		"a b":           "a b",
		"x\x1b[2J":      `"x\x1b[2J"`,
		"a\nb":          `"a\nb"`,
		"\xff":          `"\xff"`,
		"rtl\u202egnp":  `"rtl\u202egnp"`,
		`back\slash`:    `"back\\slash"`,
		"nbsp\u00a0sep": `"nbsp\u00a0sep"`,
	} {
		if got := diff.Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}
