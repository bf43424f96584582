package tree_test

import (
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// FuzzBuild lets the fuzzer choose stacks: the tree is the oracle's after every
// prefix, versions follow one another, and no lens panics.
func FuzzBuild(f *testing.F) {
	f.Add([]byte{})
	for i := range 8 {
		b := make([]byte, 40*i)
		for j := range b {
			b[j] = byte(j*(2*i+37) + i*i)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := imagetest.FromBytes(b)
		layers, tars := s.Layers()
		tr, err := tree.Build(layers, tree.Spec)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(s) + 1 {
			got, err := imagetest.ViewLines(tr.View(n), imagetest.Opener(tars))
			if err != nil {
				t.Fatal(err)
			}
			if want := imagetest.Lines(imagetest.Oracle(s, n)); got != want {
				t.Fatalf("after %d layers:\n%swant\n%s\n%s", n, got, want, s)
			}
		}
		checkVersions(t, tr)
		for _, lens := range tree.Lenses()[1:] {
			if tr, err := tree.Build(layers, lens); err == nil {
				checkVersions(t, tr)
			}
		}
	})
}

// checkVersions holds a tree against what the index format promises.
func checkVersions(t *testing.T, tr *tree.Tree) {
	t.Helper()
	for p := range tr.Paths() {
		end := 0
		for i, v := range p.Versions() {
			switch {
			case i > 0 && (end < 0 || v.Layer < end):
				t.Fatalf("%q: version %d of layer %d begins before the one before ended, at %d", p, i, v.Layer, end)
			case v.Until >= 0 && (v.Until <= v.Layer || v.Cause == 0):
				t.Fatalf("%q: a version of layer %d until %d, cause %d", p, v.Layer, v.Until, v.Cause)
			case v.Kind == imagecore.File && tr.Entry(v.Content) == nil:
				t.Fatalf("%q: a file without content", p)
			case v.Implicit != (tr.Entry(v.Source) == nil):
				t.Fatalf("%q: implicit %v, source %+v", p, v.Implicit, v.Source)
			}
			end = v.Until
		}
	}
	for l := range tr.Layers() {
		there := map[string]imagecore.Kind{}
		for i, c := range tr.Changeset(l) {
			if _, twice := there[c.Path]; twice {
				t.Fatalf("layer %d changes %q twice", l, c.Path)
			}
			if i > 0 {
				parent := ""
				for j := range c.Path {
					if c.Path[j] == '/' {
						parent = c.Path[:j]
					}
				}
				if there[parent] != imagecore.Dir {
					t.Fatalf("layer %d changes %q before its folder", l, c.Path)
				}
			}
			if _, ok := there[c.Link]; c.Kind == imagecore.Hardlink && !ok {
				t.Fatalf("layer %d links %q to %q, which is not there yet", l, c.Path, c.Link)
			}
			there[c.Path] = c.Kind
		}
	}
}
