package tree_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// render builds a stack and renders its top, or "refused WHY".
func render(t *testing.T, s imagetest.Stack, lens tree.Lens) (string, *tree.Tree) {
	t.Helper()
	layers, tars := s.Layers()
	tr, err := tree.Build(layers, lens)
	if err != nil {
		var e *imagecore.Error
		if !errors.As(err, &e) || e.Code != "engine-refuses" {
			t.Fatalf("Build: %v", err)
		}
		if e.Layer < 0 || e.Entry == "" || e.Offset < 0 {
			t.Errorf("the refusal does not say where: %v", err)
		}
		return "refused " + e.Args["reason"] + "\n", nil
	}
	text, err := imagetest.ViewLines(tr.Top(), imagetest.Opener(tars))
	if err != nil {
		t.Fatal(err)
	}
	return text, tr
}

func TestEachLensShowsItsEnginesTree(t *testing.T) {
	cases := imagetest.EngineCases()
	if len(cases) != 24 {
		t.Fatalf("there are %d cases, want 24", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			_, spec := render(t, c.Stack, tree.Spec)
			warned := map[string]bool{}
			for _, w := range spec.Warnings() {
				for _, l := range strings.Fields(w.Args["lenses"]) {
					warned[l] = true
				}
				if w.Layer < 0 || w.Entry == "" || w.Message == "" {
					t.Errorf("warning without a place: %+v", w)
				}
			}
			for _, lens := range tree.Lenses() {
				got, _ := render(t, c.Stack, lens)
				if want := c.Trees[string(lens)]; got != want {
					t.Errorf("%s shows\n%swant\n%s", lens, got, want)
				}
				layers, tars := c.Stack.Layers() // the root's own mode is in no expected tree
				differs := lens != tree.Spec && lensDiffers(t, spec, lens, layers, tars) != ""
				if differs != warned[string(lens)] {
					t.Errorf("%s differs: %v, warned of: %v (%+v)", lens, differs, warned[string(lens)], spec.Warnings())
				}
			}
		})
	}
}

// randomStacks is how many each test takes; LAYERLAB_STACKS says otherwise.
func randomStacks(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("LAYERLAB_STACKS")
	if text == "" {
		return 2000
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRandomStacksAgreeWithTheOracle(t *testing.T) {
	for seed := range randomStacks(t) {
		s := imagetest.Odd(seed)
		layers, tars := s.Layers()
		tr, err := tree.Build(layers, tree.Spec)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s)
		}
		for n := range len(s) + 1 {
			got, err := imagetest.ViewLines(tr.View(n), imagetest.Opener(tars))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if want := imagetest.Lines(imagetest.Oracle(s, n)); got != want {
				t.Fatalf("seed %d after %d layers:\n%swant\n%s\n%s", seed, n, got, want, s)
			}
		}
	}
}

// TestWarningsNameTheLensesThatDiffer holds the warnings of the specification's
// tree against the trees of the other lenses, after every prefix: a lens that
// shows something else, or refuses, is named with a place; no other is.
func TestWarningsNameTheLensesThatDiffer(t *testing.T) {
	differ := map[tree.Lens]int{}
	for seed := range randomStacks(t) {
		s := imagetest.Odd(seed)
		layers, tars := s.Layers()
		spec, err := tree.Build(layers, tree.Spec)
		if err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, w := range spec.Warnings() {
			for _, l := range strings.Fields(w.Args["lenses"]) {
				named[l] = true
				if w.Layer < 0 || w.Entry == "" || w.Offset < 0 {
					t.Errorf("seed %d: no place: %+v", seed, w)
				}
			}
		}
		for _, lens := range tree.Lenses()[1:] {
			d := lensDiffers(t, spec, lens, layers, tars)
			if d != "" {
				differ[lens]++
			}
			if (d != "") != named[string(lens)] {
				t.Fatalf("seed %d: %s differs %q, named %v: %+v\n%s", seed, lens, d, named[string(lens)], spec.Warnings(), s)
			}
		}
	}
	t.Logf("warnings: %d stacks, of which lenses differ in %v", randomStacks(t), differ)
}

// lensDiffers says how a lens shows something else than the specification's
// tree after some prefix, or refuses; "" if it does not.
func lensDiffers(t *testing.T, spec *tree.Tree, lens tree.Lens, layers []imagecore.Layer, tars [][]byte) string {
	t.Helper()
	other, err := tree.Build(layers, lens)
	if err != nil {
		return "refused " + err.Error()
	}
	for n := range len(layers) + 1 {
		var sides [2]string
		for i, tr := range []*tree.Tree{spec, other} {
			all, err := imagetest.ViewFull(tr.View(n), imagetest.Opener(tars))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range all {
				f.ModTime = 0
				sides[i] += f.String()
			}
		}
		if sides[0] != sides[1] {
			return fmt.Sprintf("after %d layers it shows\n%s", n, sides[1])
		}
	}
	return ""
}

// Umoci lists what it unpacked in the end, and misses a root that a whiteout
// took away unless something was written since.
func TestUmociMissesARootThatIsGone(t *testing.T) {
	gone := "-- layer --\nf x\n-- layer --\nf ok\nf none/.wh... \"\"\n"
	layers, _ := imagetest.MustParse(gone + "-- layer --\n").Layers()
	_, err := tree.Build(layers, tree.Umoci)
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != "engine-refuses" || e.Layer != 1 || e.Entry != "none/.wh..." || !strings.Contains(e.Args["reason"], "mtree") {
		t.Errorf("no root: %v", err)
	}
	if _, tr := render(t, imagetest.MustParse(gone+"-- layer --\nf new\n"), tree.Umoci); tr.Top().Empty() {
		t.Error("a root that was made anew is empty")
	}
}

// Each link leads through the one before and as many folders deeper.
func TestLinksCannotMakePathsWithoutEnd(t *testing.T) {
	deep := strings.Repeat("d/", 250)
	text := "-- layer --\ns l0 -> " + deep + "\n"
	for i := range 30 {
		text += fmt.Sprintf("s l%d -> l%d/%s\nf l%d/x\n", i+1, i, deep, i+1)
	}
	_, tr := render(t, imagetest.MustParse(text), tree.Spec)
	longest := 0
	for n := range tr.Top().All() {
		longest = max(longest, len(n.Path()))
	}
	if longest > 4096 {
		t.Errorf("a path has %d bytes", longest)
	}
	for _, w := range tr.Warnings() {
		if w.Code == "path-too-long" {
			return
		}
	}
	t.Errorf("no warning says so: %+v", tr.Warnings())
}

// An engine walks such links again for each entry; what it would take hours
// for is given up.
func TestLinksCannotKeepALensBusy(t *testing.T) {
	deep := strings.Repeat("d/", 100)
	text := "-- layer --\nd " + deep + "\ns l0 -> " + deep + "\n"
	for i := range 15 {
		text += fmt.Sprintf("d %sl%d/%s\ns l%d -> l%d/%s\n", deep, i, deep, i+1, i, deep)
	}
	for i := range 3000 {
		text += fmt.Sprintf("f l8/%s%d\n", deep, i)
	}
	layers, _ := imagetest.MustParse(text).Layers()
	for _, lens := range []tree.Lens{tree.ContainerdOverlayfs, tree.Umoci} {
		_, err := tree.Build(layers, lens)
		if err == nil || !strings.Contains(err.Error(), "given up") {
			t.Errorf("%s: %v", lens, err)
		}
	}
}

// A link to what lies beneath itself makes the path longer with each of the 255
// that are followed: each look at it ends at its first name, and yet has all of
// it put together.
func TestALinkBeneathItselfCannotKeepALensBusy(t *testing.T) {
	layers, _ := imagetest.MustParse("-- layer --\ns d -> ../d/a/b/c/d/e/f/g\nf d/x\n").Layers()
	_, err := tree.Build(layers, tree.ContainerdOverlayfs)
	if err == nil || !strings.Contains(err.Error(), "given up") {
		t.Error(err)
	}
}

func TestFoldersThatNobodyListsAreBounded(t *testing.T) {
	var l imagetest.Layer
	for i := range 1000 {
		l = append(l, imagetest.Record{Type: 'f', Name: fmt.Sprintf("%d/%sx", i, strings.Repeat("d/", 500)), ModTime: imagetest.Time})
	}
	layers, _ := imagetest.Stack{l}.Layers()
	_, err := tree.Build(layers, tree.Spec)
	var e *imagecore.Error
	if !errors.As(err, &e) || e.Code != "too-many-derived" || !errors.Is(err, imagecore.ErrTooLarge) || e.Offset <= 0 {
		t.Errorf("half a million folders of a thousand entries: %v", err)
	}
}

func TestWarningsOfOneKindAreBounded(t *testing.T) {
	l := imagetest.Layer{}
	for range 5000 {
		l = append(l, imagetest.Record{Type: 'f', Name: "a", ModTime: imagetest.Time})
	}
	_, tr := render(t, imagetest.Stack{l}, tree.Spec)
	w := tr.Warnings()
	if len(w) != 1001 || w[1000].Code != "more-warnings" || w[1000].Args["count"] != "3999" || w[1000].Layer != -1 {
		t.Errorf("%d warnings, the last %+v", len(w), w[len(w)-1])
	}
}

func TestAbsentLayersContributeNothing(t *testing.T) {
	layers, _ := imagetest.MustParse("-- layer --\nf a\n-- layer --\nf .wh.a \"\"\nf b\n").Layers()
	layers[1].Present = false
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := tr.Top().Lookup("a"); !ok || tr.Layers() != 2 || len(tr.Changeset(1)) != 1 {
		t.Error("the absent layer did something")
	}
}

func TestVersionsTellTheStory(t *testing.T) {
	_, tr := render(t, imagetest.MustParse(`
-- layer --
d d
f d/f "one"
f d/g
-- layer --
f d/f "two"
f d/.wh.g ""
-- layer --
f .wh.d ""
-- layer --
d d
f d/f "three"
-- layer --
f d/.wh..wh..opq ""
-- layer --
f d
`), tree.Spec)
	story := func(path string) (s string) {
		for _, v := range tr.Versions(path) {
			s += fmt.Sprintf("%s %d-%d %s; ", v.Kind, v.Layer, v.Until, v.Cause)
		}
		return s
	}
	for path, want := range map[string]string{
		"d/f": "file 0-1 replaced; file 1-2 hidden; file 3-4 opaque; ",
		"d/g": "file 0-1 whiteout; whiteout 1-2 hidden; ",
		"d":   "dir 0-2 whiteout; whiteout 2-3 replaced; dir 3-4 replaced; dir 4-5 replaced; file 5--1 ; ",
		"no":  "",
	} {
		if got := story(path); got != want {
			t.Errorf("%s: %s\nwant %s", path, got, want)
		}
	}
}

func TestResolveFollowsLinksWithinTheRoot(t *testing.T) {
	_, tr := render(t, imagetest.MustParse("-- layer --\nf etc/passwd\ns usr/etc -> /etc\ns up -> ../../../etc\ns abs -> /usr/etc/passwd\ns loop -> loop\ns dangling -> nowhere\n"), tree.Spec)
	for path, want := range map[string]string{
		"/usr/etc/passwd": "etc/passwd", "up/passwd": "etc/passwd", "abs": "etc/passwd", "/": "", "../etc/./passwd": "etc/passwd",
		"loop": "?", "dangling": "?", "etc/passwd/x": "?", "none": "?",
	} {
		n, err := tr.Top().Resolve(path)
		if want == "?" {
			if !errors.Is(err, imagecore.ErrNotFound) {
				t.Errorf("%s: %v", path, err)
			}
		} else if err != nil || n.Path() != want {
			t.Errorf("%s leads to %v (%v), want %s", path, n, err, want)
		}
	}
}
