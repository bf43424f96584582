package diff_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/diff"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// made is a layer without bytes behind it: for what works on entries alone.
func made(index int, command string, uid uint32, files map[string]int64) imagecore.Layer {
	l := imagecore.Layer{Index: index, CreatedBy: command, Present: true, DiffID: digest.FromString(fmt.Sprint(command, uid, files))}
	offset := int64(0)
	for i := range 10000 { // in a stable order
		name := fmt.Sprintf("%d", i)
		for _, dir := range []string{"srv/app/", "var/cache/apt/", "etc/"} {
			if size, ok := files[dir+name]; ok {
				l.Entries = append(l.Entries, imagecore.Entry{
					Name: dir + name, Path: dir + name, Kind: imagecore.File, Mode: 0o644, UID: uid,
					Size: size, Stored: size, Offset: offset, DataOffset: offset + 512,
				})
				offset += 512 + size
			}
		}
	}
	return l
}

func many(dir string, n int, size int64) map[string]int64 {
	m := map[string]int64{}
	for i := range n {
		m[fmt.Sprintf("%s/%d", dir, i)] = size
	}
	return m
}

// compare sums up what differs between two stacks whose equal-sized files have
// equal contents.
func compare(t testing.TB, before, after []imagecore.Layer) *diff.Summary {
	t.Helper()
	b, err := tree.Build(before, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	a, err := tree.Build(after, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var s diff.Summary
	s.Growth(before, after, 1, 2)
	for ch, err := range diff.Trees(b.Top(), a.Top(), func(tree.Node, tree.Node) (bool, error) { return true, nil }) {
		if err != nil {
			t.Fatal(err)
		}
		if ch.Implied {
			continue
		}
		if ch.After != nil {
			s.Change(ch, 2, &after[ch.After.Layer()])
		} else {
			s.Change(ch, 1, &before[ch.Before.Layer()])
		}
	}
	return &s
}

// versions are two of one image. The second is larger by a layer that only
// changes the owner of the application, and by a cache that was forgotten.
func versions(files int, size, cache int64) (before, after []imagecore.Layer) {
	app := many("srv/app", files, size)
	before = []imagecore.Layer{
		made(0, "ADD base", 0, map[string]int64{"etc/1": 100}),
		made(1, "COPY app /srv/app", 0, app),
	}
	after = []imagecore.Layer{
		made(0, "ADD base", 0, map[string]int64{"etc/1": 100}),
		made(1, "COPY app /srv/app", 0, app),
		made(2, "RUN chown -R app /srv/app", 1000, app),
		made(3, "RUN apt-get update", 0, many("var/cache/apt", 3, cache)),
	}
	return before, after
}

func TestSummaryNamesChownAndForgottenCache(t *testing.T) {
	for _, size := range []struct {
		name  string
		files int
		size  int64 // bytes of each: the layers have entries only
		cache int64 // bytes of each of three
	}{{"small", 4, 1000, 200}, {"400 MB", 400, 1 << 20, 20 << 20}} {
		t.Run(size.name, func(t *testing.T) {
			before, after := versions(size.files, size.size, size.cache)
			s := compare(t, before, after)
			chown, cache := int64(size.files)*size.size, 3*size.cache
			want := diff.Tally{Added: 3, Changed: size.files, Gained: cache, Stored: chown + cache}
			if d := cmp.Diff(want, s.Total); d != "" {
				t.Error(d)
			}
			commands := s.Commands()
			if len(commands) != 2 || commands[0].Name != "RUN chown -R app /srv/app" || commands[0].Stored != chown || commands[0].Gained != 0 ||
				commands[1].Name != "RUN apt-get update" || commands[1].Stored != cache || commands[1].Gained != cache {
				t.Errorf("commands %+v", commands)
			}
			layers := s.Layers()
			if layers[0].Layer != 2 || layers[0].Image != 2 || layers[0].Stored != chown || layers[1].Layer != 3 || layers[1].Stored != cache {
				t.Errorf("layers %+v", layers)
			}
			folders := s.Folders()
			if folders[0].Name != "srv/app" || folders[0].Stored != chown || folders[1].Name != "var/cache" || folders[1].Stored != cache {
				t.Errorf("folders %+v", folders)
			}
		})
	}
}

// A base that was built anew is the same base where it carries the same sizes;
// what shrank and what went is lost, and nothing is counted twice.
func TestGrowthPairsRebuiltLayers(t *testing.T) {
	before := []imagecore.Layer{
		made(0, "ADD base", 0, map[string]int64{"etc/1": 100, "etc/2": 50}),
		made(1, "RUN make", 0, map[string]int64{"srv/app/0": 1000, "etc/1": 10}),
		made(2, "RUN docs", 0, map[string]int64{"etc/3": 70}),
	}
	after := []imagecore.Layer{
		made(0, "ADD base", 7, map[string]int64{"etc/1": 100, "etc/2": 50}),
		made(1, "RUN make --release", 0, map[string]int64{"srv/app/0": 400, "etc/1": 12}),
	}
	var s diff.Summary
	s.Growth(before, after, 1, 2)
	if d := cmp.Diff(diff.Tally{Stored: 2, Dropped: 600 + 70}, s.Total); d != "" {
		t.Error(d)
	}
	got := map[string]diff.Tally{}
	for _, c := range s.Commands() {
		got[c.Name] = c.Tally
	}
	want := map[string]diff.Tally{"ADD base": {}, "RUN make --release": {Stored: 2, Dropped: 600}, "RUN docs": {Dropped: 70}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var same diff.Summary
	same.Growth(before, before, 1, 2)
	if d := cmp.Diff(diff.Tally{}, same.Total); d != "" || len(same.Layers()) != 0 {
		t.Errorf("an image differs from itself: %+v", same.Layers())
	}
}

// The sum of what is stored and dropped is the difference of what the images
// carry, whatever is paired with what.
func TestGrowthAddsUp(t *testing.T) {
	sum := func(layers []imagecore.Layer) (n int64) {
		for _, l := range layers {
			for _, e := range l.Entries {
				n += e.Stored
			}
		}
		return n
	}
	for seed := range uint64(200) {
		a, b := stackOf(seed), stackOf(seed+7)
		var s diff.Summary
		s.Growth(a, b, 1, 2)
		if got, want := s.Total.Stored-s.Total.Dropped, sum(b)-sum(a); got != want {
			t.Fatalf("seed %d: grew by %d, want %d", seed, got, want)
		}
	}
}

func BenchmarkSummary(b *testing.B) {
	before, after := versions(9000, 50_000, 1<<20)
	b.Run("2_images_450MB_18k_files", func(b *testing.B) {
		for b.Loop() {
			compare(b, before, after)
		}
	})
}

func stackOf(seed uint64) []imagecore.Layer {
	layers, _ := imagetest.Random(seed).Layers()
	return layers
}
