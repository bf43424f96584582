package tree_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// BenchmarkBuild shows that whiteouts cost no more than other entries.
func BenchmarkBuild(b *testing.B) {
	for _, whiteouts := range []int{0, 200, 2000} {
		b.Run(fmt.Sprintf("100k_files/5_layers/%d_whiteouts", whiteouts), func(b *testing.B) {
			layers := imagetest.Big{Files: 100_000, FileSize: 3000, Layers: 5, Whiteouts: whiteouts}.Entries()
			entries := 0
			for _, l := range layers {
				entries += len(l.Entries)
			}
			for b.Loop() {
				if _, err := tree.Build(layers, tree.Spec); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(entries), "ns/entry")
		})
	}
}

func BenchmarkWalk(b *testing.B) {
	t, err := tree.Build(imagetest.Big{Files: 100_000, FileSize: 3000, Layers: 5, Whiteouts: 200}.Entries(), tree.Spec)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		for range t.Top().All() {
			n++
		}
		if n < 90_000 {
			b.Fatal(n)
		}
	}
}

// TestMemoryOfATree holds the tree's own memory, without the entries that it
// keeps, below a fifth of what reading an image may take: 700 bytes an entry.
func TestMemoryOfATree(t *testing.T) {
	layers := imagetest.Big{Files: 100_000, FileSize: 3000, Layers: 5, Whiteouts: 200}.Entries()
	entries := 0
	for _, l := range layers {
		entries += len(l.Entries)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tr, err := tree.Build(layers, tree.Spec)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(entries)
	t.Logf("%d bytes an entry", each)
	if each > 140 {
		t.Errorf("a tree of %d entries keeps %d bytes an entry", entries, each)
	}
	runtime.KeepAlive(tr)
	runtime.KeepAlive(layers)
}

// BenchmarkEmptied shows that what is gone costs nothing any more: each layer
// empties a folder and fills it with files of other names.
func BenchmarkEmptied(b *testing.B) {
	for _, layers := range []int{5, 50, 500} {
		b.Run(fmt.Sprintf("%d_layers/200_files", layers), func(b *testing.B) {
			s := imagetest.Emptied(layers, 200)
			for b.Loop() {
				if _, err := tree.Build(s, tree.Spec); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(layers*201), "ns/entry")
		})
	}
}

func BenchmarkChangesets(b *testing.B) {
	t, err := tree.Build(imagetest.Big{Files: 100_000, FileSize: 3000, Layers: 5, Whiteouts: 200}.Entries(), tree.Spec)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for l := range t.Layers() {
			if len(t.Changeset(l)) < 100 {
				b.Fatal(l)
			}
		}
	}
}
