package audit_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/audit"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// waste audits a stack; compare says whether contents are read.
func waste(t *testing.T, s imagetest.Stack, compare bool) (*audit.Report, *tree.Tree) {
	t.Helper()
	layers, tars := s.Layers()
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var sums audit.Sums
	if compare {
		sums = func(refs []tree.Ref) (map[tree.Ref]string, error) {
			m := map[tree.Ref]string{}
			for _, ref := range refs {
				if _, twice := m[ref]; twice {
					t.Errorf("asked twice for %v", ref)
				}
				e := tr.Entry(ref)
				m[ref] = fmt.Sprintf("%x", sha256.Sum256(tars[ref.Layer][e.DataOffset:e.DataOffset+e.Stored]))
			}
			return m, nil
		}
	}
	r, err := audit.Waste(tr, layers, sums)
	if err != nil {
		t.Fatal(err)
	}
	return r, tr
}

// lines shows findings with the names of the entries that hid them.
func lines(r *audit.Report, tr *tree.Tree) []string {
	var out []string
	for _, f := range r.Findings {
		by := "?"
		if e := tr.Entry(f.By); e != nil {
			by = e.Name
		}
		out = append(out, fmt.Sprintf("%d %s %s/%s layer %d until %d by %s", f.Bytes, f.Path, f.Why, f.Cause, f.Entry.Layer, f.Until, by))
	}
	return out
}

func TestEveryWayToWasteIsNamedWithItsCulprit(t *testing.T) {
	r, tr := waste(t, imagetest.MustParse(`
-- layer --
f gone "12345678901"
f dir/in "1234567890"
f opq/in "123456789"
f retyped/in "12345678"
f rewritten "1234567"
f chowned "123456"
f folded "12345"
f twice "1234"
f twice "kept"
f stays "abc"
f recreated/old "12"
-- layer --
f .wh.gone ""
f .wh.dir ""
f opq/.wh..wh..opq ""
f retyped "x"
f rewritten "7654321"
f chowned "123456" uid=7
f folded/in ""
f .wh.recreated ""
f recreated/new "1"
`), true)
	want := []string{
		"11 gone hidden/whiteout layer 0 until 1 by .wh.gone",
		"10 dir/in hidden/hidden layer 0 until 1 by .wh.dir",
		"9 opq/in hidden/opaque layer 0 until 1 by opq/.wh..wh..opq",
		"8 retyped/in hidden/retyped layer 0 until 1 by retyped",
		"7 rewritten replaced/replaced layer 0 until 1 by rewritten",
		"6 chowned duplicated/replaced layer 0 until 1 by chowned",
		"5 folded replaced/replaced layer 0 until 1 by folded/in",
		"4 twice unreachable/same-layer layer 0 until 0 by twice",
		"2 recreated/old hidden/hidden layer 0 until 1 by .wh.recreated",
	}
	if d := cmp.Diff(want, lines(r, tr)); d != "" {
		t.Error(d)
	}
	if r.Wasted != 62 || r.Bytes != 62+4+3+1+7+6+1 {
		t.Errorf("wasted %d of %d", r.Wasted, r.Bytes)
	}
	wantWhy := map[audit.Why]int64{audit.Hidden: 40, audit.Replaced: 12, audit.Duplicated: 6, audit.Unreachable: 4}
	if d := cmp.Diff(wantWhy, r.ByWhy); d != "" {
		t.Error(d)
	}
	wantLayers := []audit.LayerSum{{Layer: 0, Bytes: 69, Wasted: 62, Caused: 4}, {Layer: 1, Bytes: 15, Caused: 58}}
	if d := cmp.Diff(wantLayers, r.Layers); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]audit.Merge{{Layer: 0, Bytes: 58}}, r.Merges); d != "" {
		t.Error(d)
	}
}

// Without contents nothing is guessed: an equal size proves nothing.
func TestWithoutContentsARewriteIsNoDuplicate(t *testing.T) {
	s := imagetest.MustParse("-- layer --\nf a \"same\"\nf b \"same\"\n-- layer --\nf a \"same\" mode=0600\n")
	if r, _ := waste(t, s, false); r.ByWhy[audit.Duplicated] != 0 || r.ByWhy[audit.Replaced] != 4 || r.Compared || r.Twins != nil {
		t.Errorf("got %+v", r)
	}
	if r, _ := waste(t, s, true); r.ByWhy[audit.Duplicated] != 4 || r.ByWhy[audit.Replaced] != 0 || !r.Compared {
		t.Errorf("got %+v", r)
	}
	differs := imagetest.MustParse("-- layer --\nf a \"same\"\n-- layer --\nf a \"size\" mode=0600\n")
	if r, _ := waste(t, differs, true); r.ByWhy[audit.Duplicated] != 0 {
		t.Errorf("other bytes of the same size count as a duplicate: %+v", r)
	}
}

func TestHardLinksCountOnce(t *testing.T) {
	r, tr := waste(t, imagetest.MustParse(`
-- layer --
f a "12345"
h b -> a
h c -> a
f d "123"
h e -> d
-- layer --
f .wh.a ""
f .wh.b ""
f .wh.d ""
-- layer --
f .wh.c ""
h f -> e
-- layer --
f .wh.e ""
`), true)
	want := []string{"5 c hidden/whiteout layer 0 until 2 by .wh.c"}
	if d := cmp.Diff(want, lines(r, tr)); d != "" {
		t.Error(d)
	}
	if r.Bytes != 8 {
		t.Errorf("%d bytes, want 8", r.Bytes)
	}
	// Hidden two layers later: no pair of neighbours would help.
	if len(r.Merges) != 0 {
		t.Errorf("merges %v", r.Merges)
	}
}

func TestTwinsAreFilesOfOneContent(t *testing.T) {
	r, _ := waste(t, imagetest.MustParse(`
-- layer --
f usr/lib/a "library"
h usr/lib/a.link -> usr/lib/a
f opt/empty ""
f opt/empty2 ""
-- layer --
f opt/copy "library"
f opt/other "of like"
`), true)
	if len(r.Twins) != 1 {
		t.Fatalf("twins %+v", r.Twins)
	}
	w := r.Twins[0]
	if d := cmp.Diff([]string{"opt/copy", "usr/lib/a", "usr/lib/a.link"}, w.Paths); d != "" || w.Bytes != 7 || w.Copies != 2 || w.Size != 7 {
		t.Errorf("%+v %s", w, d)
	}
	if r.Wasted != 0 {
		t.Errorf("twins are seen, yet %d bytes count as wasted", r.Wasted)
	}
}

// TestWasteIsWhatTheTopDoesNotShow holds random stacks against the other way
// to count: the contents that the merged tree needs.
func TestWasteIsWhatTheTopDoesNotShow(t *testing.T) {
	for seed := range uint64(300) {
		s := imagetest.Random(seed)
		r, tr := waste(t, s, seed%2 == 0)
		needed := map[tree.Ref]bool{}
		for n := range tr.Top().All() {
			if n.Kind() == imagecore.File {
				needed[n.Content()] = true
			}
		}
		seen := int64(0)
		for ref := range needed {
			seen += tr.Entry(ref).Stored
		}
		if r.Bytes-r.Wasted != seen {
			t.Fatalf("seed %d: %d of %d bytes wasted, the top shows %d\n%s", seed, r.Wasted, r.Bytes, seen, s)
		}
		once := map[tree.Ref]bool{}
		parts := int64(0)
		for _, f := range r.Findings {
			if needed[f.Entry] || once[f.Entry] {
				t.Fatalf("seed %d: %q is seen, or counted twice\n%s", seed, f.Path, s)
			}
			once[f.Entry] = true
			parts += f.Bytes
			if f.By.Entry < 0 && f.Cause != "metadata" && f.Cause != "escapes-root" && !links(s[f.Until]) {
				t.Fatalf("seed %d: nothing hid %+v\n%s", seed, f, s)
			}
			if f.Until < f.Entry.Layer || f.By.Layer != f.Until {
				t.Fatalf("seed %d: %+v\n%s", seed, f, s)
			}
		}
		if parts != r.Wasted {
			t.Fatalf("seed %d: the findings are %d bytes, the report says %d", seed, parts, r.Wasted)
		}
	}
}

// links says that a layer has symbolic links: names may pass through them, and
// then the entry that hid a path does not have that path in its name.
func links(l imagetest.Layer) bool {
	return slices.ContainsFunc(l, func(r imagetest.Record) bool { return r.Type == 's' })
}

// corpus opens a file of the corpus of real images.
func corpus(t *testing.T, name string) *archive.Archive {
	t.Helper()
	dir := os.Getenv("LAYERLAB_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "images")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		t.Skipf("no corpus: neither LAYERLAB_CORPUS nor %s has %s", dir, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(f, info.Size(), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// dive's own tests expect these figures of the image that it is tested with.
func TestDiveFiguresAreDives(t *testing.T) {
	a := corpus(t, "docker-save/docker-18.09-dive-test-14-layers.tar")
	layers := a.Report().Images[0].Layers
	f := audit.Dive(layers)
	if f.Efficiency != 0.9844212134184309 || f.Bytes != 1220598 || f.UserBytes != 66237 || f.WastedBytes != 32025 || f.UserWasted != 0.4834911001404049 {
		t.Errorf("got %+v", f)
	}
	want := []audit.DiveFile{
		{Path: "/root/example/somefile1.txt", Count: 2, Bytes: 12810},
		{Path: "/root/saved.txt", Count: 2, Bytes: 12810},
		{Path: "/root/example/somefile3.txt", Count: 2, Bytes: 6405},
	}
	if d := cmp.Diff(want, f.Files); d != "" {
		t.Error(d)
	}

	// What is wasted in truth: three files beneath the folder that was
	// deleted, one of them twice, and the copy of saved.txt before its chmod.
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.Waste(tr, layers, func(refs []tree.Ref) (map[tree.Ref]string, error) {
		m := map[tree.Ref]string{}
		for _, ref := range refs {
			ra, _, err := a.LayerAt(0, ref.Layer)
			if err != nil {
				return nil, err
			}
			h := sha256.New()
			if _, err := io.Copy(h, tree.Content(ra, tr.Entry(ref))); err != nil {
				return nil, err
			}
			m[ref] = string(h.Sum(nil))
		}
		return m, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines(r, tr) {
		got = append(got, strings.Replace(l, " layer ", " ", 1))
	}
	if d := cmp.Diff([]string{
		"6405 root/example/somefile1.txt duplicated/replaced 3 until 4 by root/example/somefile1.txt",
		"6405 root/example/somefile1.txt hidden/hidden 4 until 9 by root/.wh.example",
		"6405 root/example/somefile2.txt hidden/hidden 5 until 9 by root/.wh.example",
		"6405 root/example/somefile3.txt hidden/whiteout 6 until 7 by root/example/.wh.somefile3.txt",
		"6405 root/saved.txt duplicated/replaced 7 until 13 by root/saved.txt",
	}, got); d != "" {
		t.Error(d)
	}
}

// Where dive sees nothing, Waste does.
func TestDiveOverlooksOpaqueWhiteouts(t *testing.T) {
	s := imagetest.MustParse("-- layer --\nf cache/big \"1234567890\"\nf keep \"1\"\n-- layer --\nf cache/.wh..wh..opq \"\"\nf new \"12345\"\n")
	layers, _ := s.Layers()
	if f := audit.Dive(layers); f.WastedBytes != 0 || f.Efficiency != 1 {
		t.Errorf("dive's figures are no longer blind: %+v", f)
	}
	if r, _ := waste(t, s, true); r.Wasted != 10 {
		t.Errorf("wasted %d, want 10", r.Wasted)
	}
}

func BenchmarkWaste(b *testing.B) {
	for _, g := range []struct {
		name string
		big  imagetest.Big
	}{{"100k_files_5_layers", imagetest.Big{Files: 100_000, FileSize: 3000, Layers: 5, Whiteouts: 200}}} {
		layers := g.big.Entries()
		tr, err := tree.Build(layers, tree.Spec)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(g.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := audit.Waste(tr, layers, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("dive/"+g.name, func(b *testing.B) {
			for b.Loop() {
				audit.Dive(layers)
			}
		})
	}
}
