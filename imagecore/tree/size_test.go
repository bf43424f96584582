package tree_test

import (
	"slices"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/tree"
)

func TestALayerCountsWhatItLeavesBehind(t *testing.T) {
	file := func(path string, size int64) imagecore.Entry {
		return imagecore.Entry{Name: path, Path: path, Kind: imagecore.File, Mode: 0o644, Size: size}
	}
	link := func(kind imagecore.Kind, path, target string) imagecore.Entry {
		return imagecore.Entry{Name: path, Path: path, Kind: kind, Mode: 0o644, Link: target}
	}
	dir := func(path string) imagecore.Entry {
		return imagecore.Entry{Name: path + "/", Path: path, Kind: imagecore.Dir, Mode: 0o755}
	}
	for _, c := range []struct {
		why    string
		layers [][]imagecore.Entry
		want   []int64
	}{
		{"files, their holes and the targets of symbolic links", [][]imagecore.Entry{{
			file("a", 100), dir("d"), link(imagecore.Symlink, "d/s", "four"),
			{Name: "sparse", Path: "sparse", Kind: imagecore.File, Size: 1000, Stored: 10},
		}}, []int64{1104}},
		{"a file once, with all its names", [][]imagecore.Entry{{
			file("a", 100), link(imagecore.Hardlink, "b", "a"), link(imagecore.Hardlink, "c", "a"),
		}}, []int64{100}},
		{"the last of equal names", [][]imagecore.Entry{{file("a", 100), file("a", 7)}}, []int64{7}},
		{"a file whose first name went, by its second", [][]imagecore.Entry{{
			file("a", 100), link(imagecore.Hardlink, "b", "a"), file("a", 7),
		}}, []int64{107}},
		{"nothing of a folder that became a file", [][]imagecore.Entry{{dir("d"), file("d/a", 100), file("d", 3)}}, []int64{3}},
		{"what later layers hide", [][]imagecore.Entry{
			{file("a", 100), file("b", 50)},
			{{Name: ".wh.a", Path: "a", Kind: imagecore.Whiteout}, file("b", 60)},
			{},
		}, []int64{150, 60, 0}},
		{"a copy of what a link names in a lower layer", [][]imagecore.Entry{
			{file("a", 100)},
			{link(imagecore.Hardlink, "b", "a")},
		}, []int64{100, 100}},
	} {
		var layers []imagecore.Layer
		for i, entries := range c.layers {
			layers = append(layers, imagecore.Layer{Index: i, Present: true, Entries: entries})
		}
		tr, err := tree.Build(layers, tree.Spec)
		if err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		if got := tr.ContentSizes(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}
