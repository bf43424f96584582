package show_test

import (
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore/show"
	"github.com/opencontainers/go-digest"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/audit"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 1536: "1.54 kB", 999_499: "999 kB", 999_500: "1 MB",
		4_834_816: "4.83 MB", 1_043_000_000: "1.04 GB", 1 << 62: "4.61e+03 PB",
	} {
		if got := show.Bytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestMode(t *testing.T) {
	for _, c := range []struct {
		kind imagecore.Kind
		mode uint32
		want string
	}{
		{imagecore.File, 0o644, "-rw-r--r--"},
		{imagecore.File, 0o4755, "-rwsr-xr-x"},
		{imagecore.File, 0o6644, "-rwSr-Sr--"},
		{imagecore.Dir, 0o1777, "drwxrwxrwt"},
		{imagecore.Dir, 0o1776, "drwxrwxrwT"},
		{imagecore.Whiteout, 0o644, "w---------"},
		{imagecore.Opaque, 0, "o---------"},
	} {
		if got := show.Mode(c.kind, c.mode); got != c.want {
			t.Errorf("%s %o: got %s, want %s", c.kind, c.mode, got, c.want)
		}
	}
}

// TestNoTextMovesTheCursor holds that what an archive says cannot write to the
// terminal as it likes.
func TestNoTextMovesTheCursor(t *testing.T) {
	hostile := "\x1b[2J\r\nlayer 0: ok\u202e"
	var out strings.Builder
	report := &imagecore.Report{
		Images: []imagecore.Image{{
			Refs: []string{hostile}, Platform: hostile,
			Config:  imagecore.Blob{Raw: `{"config":{"Cmd":["\u001b[2J'"],"Entrypoint":["\u001b]0;"]}}`},
			Layers:  []imagecore.Layer{{CreatedBy: hostile, Present: true}},
			History: []imagecore.History{{}},
		}},
		Warnings: []imagecore.Warning{{Code: "escapes-root", Entry: hostile, Message: hostile}},
	}
	report.Images[0].History[0].CreatedBy = hostile
	if err := show.Report(&out, report); err != nil {
		t.Fatal(err)
	}
	report.Images[0].Layers[0].DiffID = digest.Digest(hostile)
	if err := show.Explain(&out, []show.Identity{{Image: digest.Digest(hostile), Steps: audit.Identity(&report.Images[0], nil)}}); err != nil {
		t.Fatal(err)
	}
	if err := show.Entry(&out, 0, &imagecore.Entry{Kind: imagecore.Symlink, Path: hostile, Link: hostile}, ""); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\r\u202e") {
		t.Errorf("%q", text)
	}
}
