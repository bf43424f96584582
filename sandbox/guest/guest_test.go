package guest_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/imagecore/archive"
	"github.com/layerlab/layerlab/imagecore/imagetest"
	"github.com/layerlab/layerlab/sandbox/guest"
)

// host is a fake with the archive in memory; it keeps what is emitted.
type host struct {
	archive []byte
	emitted map[guest.Kind][][]byte
	stop    bool
}

func (h *host) ReadAt(_ int32, p []byte, off int64) (int, error) {
	return bytes.NewReader(h.archive).ReadAt(p, off)
}

func (h *host) Emit(kind guest.Kind, p []byte) {
	if h.emitted == nil {
		h.emitted = map[guest.Kind][][]byte{}
	}
	h.emitted[kind] = append(h.emitted[kind], bytes.Clone(p))
}

func (h *host) Tick(int64, int64) bool { return h.stop }

// failure returns the one error that was emitted.
func (h *host) failure(t *testing.T) guest.Failure {
	t.Helper()
	var f guest.Failure
	if n := len(h.emitted[guest.KindError]); n != 1 {
		t.Fatalf("%d errors were emitted, want 1", n)
	}
	if err := json.Unmarshal(h.emitted[guest.KindError][0], &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func image() []byte {
	stack := imagetest.MustParse("-- layer --\nf a \"first\"\n-- layer --\nf b \"second layer\"\n")
	a := imagetest.One(imagetest.DockerSave, stack)
	twin := imagetest.Image{Stack: stack[:1], Refs: []string{"test/twin:latest"}}
	a.Images = append(a.Images, twin)
	return a.Bytes()
}

func survey(size int) []byte {
	return fmt.Appendf(nil, `{"op":"survey","size":%d}`, size)
}

func TestSurveyEmitsAReportAndAnIndexForEachImage(t *testing.T) {
	h := &host{archive: image()}
	if status := guest.New(h).Run(survey(len(h.archive))); status != 0 {
		t.Fatalf("status %d: %s", status, h.emitted[guest.KindError])
	}
	var report imagecore.Report
	if err := json.Unmarshal(h.emitted[guest.KindReport][0], &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Images) != 2 || len(h.emitted[guest.KindIndex]) != 2 {
		t.Fatalf("%d images, %d indexes, want 2 of each", len(report.Images), len(h.emitted[guest.KindIndex]))
	}
	for i, b := range h.emitted[guest.KindIndex] {
		if n := binary.LittleEndian.Uint32(b); n != uint32(i) || string(b[4:8]) != "LLIX" {
			t.Errorf("index %d is numbered %d and begins with %q", i, n, b[4:8])
		}
	}
}

// An index is that of a survey through the same lens, byte for byte.
func TestAnIndexThroughAnotherLens(t *testing.T) {
	h := &host{archive: image()}
	g := guest.New(h)
	if g.Run(survey(len(h.archive))) != 0 {
		t.Fatalf("%s", h.emitted[guest.KindError])
	}
	h.emitted = nil
	if g.Run([]byte(`{"op":"index","image":1,"lens":"umoci"}`)) != 0 {
		t.Fatalf("%s", h.emitted[guest.KindError])
	}
	other := &host{archive: h.archive}
	if guest.New(other).Run(fmt.Appendf(nil, `{"op":"survey","size":%d,"lens":"umoci"}`, len(h.archive))) != 0 {
		t.Fatalf("%s", other.emitted[guest.KindError])
	}
	if got := h.emitted[guest.KindIndex]; len(got) != 1 || !bytes.Equal(got[0], other.emitted[guest.KindIndex][1]) {
		t.Errorf("got %d indexes, or another one than the survey's", len(got))
	}
}

func TestFlattenIsTheMergedTreeAsOneTar(t *testing.T) {
	h := &host{archive: image()}
	g := guest.New(h)
	if g.Run([]byte(`{"op":"flatten"}`)) == 0 {
		t.Error("a tree without a survey")
	}
	h.emitted = nil
	if g.Run(survey(len(h.archive))) != 0 || g.Run([]byte(`{"op":"flatten","image":0}`)) != 0 {
		t.Fatalf("%s", h.emitted[guest.KindError])
	}
	var got []string
	for tr := tar.NewReader(bytes.NewReader(bytes.Join(h.emitted[guest.KindContent], nil))); ; {
		e, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Name+"="+string(content))
	}
	if want := []string{"a=first", "b=second layer"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	h.emitted = nil
	if g.Run([]byte(`{"op":"flatten","image":2}`)) == 0 || h.failure(t).Code != "image-not-found" {
		t.Errorf("an image that is not there: %s", h.emitted[guest.KindError])
	}
	h.emitted, h.stop = nil, true
	if g.Run([]byte(`{"op":"flatten","image":0}`)) == 0 || h.failure(t).Code != "canceled" {
		t.Errorf("stopped: %s", h.emitted[guest.KindError])
	}
}

func TestContentIsTheLayersBytes(t *testing.T) {
	h := &host{archive: image()}
	g := guest.New(h)
	if g.Run(survey(len(h.archive))) != 0 {
		t.Fatalf("%s", h.emitted[guest.KindError])
	}
	a, err := archive.Open(bytes.NewReader(h.archive), int64(len(h.archive)), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	entry := a.Report().Images[0].Layers[1].Entries[0]
	request, err := json.Marshal(guest.Request{Op: "content", Layer: 1, Offset: entry.DataOffset, Size: entry.Size})
	if err != nil {
		t.Fatal(err)
	}
	if g.Run(request) != 0 {
		t.Fatalf("%s", h.emitted[guest.KindError])
	}
	if got := bytes.Join(h.emitted[guest.KindContent], nil); string(got) != "second layer" {
		t.Errorf("got %q", got)
	}
}

func TestRefusedRequests(t *testing.T) {
	for _, c := range []struct{ name, request, code string }{
		{"no JSON", "{", "bad-request"},
		{"unknown operation", `{"op":"delete"}`, "bad-request"},
		{"negative size", `{"op":"survey","size":-1}`, "bad-request"},
		{"unknown lens", `{"op":"survey","size":0,"lens":"kaleidoscope"}`, "unknown-lens"},
		{"index without a survey", `{"op":"index","image":0}`, "bad-request"},
		{"content without a survey", `{"op":"content","size":1}`, "bad-request"},
		{"no archive", `{"op":"survey","size":0}`, "not-an-archive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{}
			if status := guest.New(h).Run([]byte(c.request)); status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			if f := h.failure(t); f.Code != c.code || f.Message == "" {
				t.Errorf("got %+v, want code %s", f, c.code)
			}
		})
	}
}

func TestContentOutsideTheLayerIsRefused(t *testing.T) {
	for _, request := range []string{
		`{"op":"content","image":2,"layer":0,"size":1}`,
		`{"op":"content","image":-1,"layer":0,"size":1}`,
		`{"op":"content","layer":2,"size":1}`,
		`{"op":"content","offset":-1,"size":1}`,
		`{"op":"content","offset":0,"size":9223372036854775807}`,
		`{"op":"content","offset":9223372036854775807,"size":1}`,
	} {
		h := &host{archive: image()}
		g := guest.New(h)
		if g.Run(survey(len(h.archive))) != 0 || g.Run([]byte(request)) != 1 {
			t.Fatalf("%s was not refused", request)
		}
		if f := h.failure(t); f.Kind != imagecore.ErrNotFound.Error() {
			t.Errorf("%s: %+v", request, f)
		}
	}
}

func TestStopIsCanceled(t *testing.T) {
	h := &host{archive: image(), stop: true}
	if guest.New(h).Run(survey(len(h.archive))) != 1 {
		t.Fatal("it did not stop")
	}
	if f := h.failure(t); f.Kind != imagecore.ErrCanceled.Error() {
		t.Errorf("got %+v", f)
	}
}

func TestLimitsOfARequest(t *testing.T) {
	var r guest.Request
	if err := json.Unmarshal([]byte(`{"op":"survey","limits":{"Entries":7}}`), &r); err != nil {
		t.Fatal(err)
	}
	want := imagecore.GuestLimits()
	want.Entries = 7
	if *r.Limits != want {
		t.Errorf("got %+v, want the guest's with 7 entries", *r.Limits)
	}
	if err := json.Unmarshal([]byte(`{"op":"survey","limits":null}`), &r); err != nil || *r.Limits != imagecore.GuestLimits() {
		t.Errorf("null: %v, %+v", err, r.Limits)
	}
}

func TestErrorsCrossTheBoundaryWhole(t *testing.T) {
	deep := fmt.Errorf("image 1: %w", imagecore.NewError(imagecore.ErrTooLarge, "too-deep", "too deep", "limit", "512").At("a\xff", 1024).In(3))
	for _, err := range []error{deep, fmt.Errorf("wrapped: %w", imagecore.ErrUnsupported), io.ErrUnexpectedEOF} {
		b, jerr := json.Marshal(guest.FailureOf(err))
		if jerr != nil {
			t.Fatal(jerr)
		}
		var f guest.Failure
		if jerr := json.Unmarshal(b, &f); jerr != nil {
			t.Fatal(jerr)
		}
		back := f.Err()
		for _, kind := range []error{imagecore.ErrTooLarge, imagecore.ErrUnsupported} {
			if errors.Is(err, kind) != errors.Is(back, kind) {
				t.Errorf("%v came back as %v", err, back)
			}
		}
	}
	e, ok := errors.AsType[*imagecore.Error](guest.FailureOf(deep).Err())
	if !ok || e.Entry != "a\xff" || e.Offset != 1024 || e.Layer != 3 || e.Args["limit"] != "512" {
		t.Errorf("got %+v", e)
	}
}
