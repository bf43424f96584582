package labapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// fakeRecordings has a recording by every id but none.
type fakeRecordings struct{ labapi.Recordings }

func (fakeRecordings) List(context.Context) (wire.RecordingList, error) {
	return wire.RecordingList{Recordings: []wire.Recording{{ID: "r1"}}}, nil
}

func (fakeRecordings) Cast(_ context.Context, id string) (io.ReadCloser, int64, string, error) {
	if id == "none" {
		return nil, 0, "", imagecore.NewError(imagecore.ErrNotFound, "recording-not-found", "no such recording: "+id, "recording", id)
	}
	return io.NopCloser(strings.NewReader("{}\n[more that was written since")), 3, "a\"b.cast", nil
}

func TestACastIsADownloadAsFarAsItIsWritten(t *testing.T) {
	b := setUp(t)
	w := b.do(http.MethodGet, "/recordings/r1/cast", "")
	if w.Code != 200 || w.Body.String() != "{}\n" || w.Header().Get("Content-Length") != "3" ||
		w.Header().Get("Content-Type") != "application/x-asciicast" || w.Header().Get("Content-Disposition") != `attachment; filename="a\"b.cast"` {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if w := b.do(http.MethodGet, "/recordings/none/cast", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "recording-not-found") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
