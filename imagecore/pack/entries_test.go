package pack_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tarscan"
	"github.com/layerlab/layerlab/imagecore/tree"
)

// What Entries foretells is what a scan of the written layer finds.
func TestEntriesAreThoseOfTheWrittenLayer(t *testing.T) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(strings.Repeat("x", 700))), nil }
	items := []pack.Item{
		{Path: "etc", Kind: imagecore.Dir, Opaque: true, Attr: tree.Attr{Mode: 0o755, ModTime: 7}},
		{Path: "etc/b", Kind: imagecore.Hardlink, Link: "etc/a"},
		{Path: "etc/a", Kind: imagecore.File, Size: 700, Open: open, Attr: tree.Attr{Mode: 0o644, UID: 3, ModTime: 7}},
		{Path: "gone", Kind: imagecore.Whiteout},
		{Path: "link", Kind: imagecore.Symlink, Link: "etc/a", Attr: tree.Attr{Mode: 0o777, ModTime: 7}},
	}
	got, size, err := pack.Entries(items)
	if err != nil {
		t.Fatal(err)
	}
	var tar bytes.Buffer
	if err := pack.WriteLayer(&tar, items); err != nil {
		t.Fatal(err)
	}
	if size != int64(tar.Len()) {
		t.Errorf("%d bytes are foretold, %d written", size, tar.Len())
	}
	var want []imagecore.Entry
	scan := tarscan.NewReaderAt(bytes.NewReader(tar.Bytes()), int64(tar.Len()), tarscan.Options{Limits: imagecore.DefaultLimits(), Whiteouts: true})
	for {
		var e imagecore.Entry
		if err := scan.Next(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	// A folder's name ends in a slash, and whiteouts and links have modes of their own in a tar.
	loose := cmpopts.IgnoreFields(imagecore.Entry{}, "Name", "Mode", "UID", "ModTime")
	if d := cmp.Diff(want, got, loose, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

func TestEntriesRefuseWhatALayerCannotHold(t *testing.T) {
	_, _, err := pack.Entries([]pack.Item{{Path: "a/.wh.b", Kind: imagecore.File}})
	if !errors.Is(err, imagecore.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
