//go:build linux

package dockerapi

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// maker makes each container that it is asked for.
type maker struct{ stage }

func (maker) Create(context.Context, CreateRequest) (wire.Container, error) {
	return wire.Container{ID: id("f")}, nil
}

// TestFoldersOfTheHostThatBelongToNobodyAreWarnedOf: a volume is the container's
// own, and with idmapped mounts a folder of the host belongs to whom it belongs.
func TestFoldersOfTheHostThatBelongToNobodyAreWarnedOf(t *testing.T) {
	const body = `{"Image":"lab:1","HostConfig":{"Binds":["/home/joe/site:/srv:ro","vol:/v"]}}`
	for plain, want := range map[bool]string{
		false: `"Warnings":[]`,
		true:  `"Warnings":["/home/joe/site belongs to nobody in the container, whose root reads there what everybody may read, and writes what everybody may write; a volume is its own"]`,
	} {
		h := New(Deps{Images: stage{}, Containers: maker{}, Facts: Facts{PlainBinds: plain}, Log: slog.New(slog.DiscardHandler)})
		r := httptest.NewRequest("POST", "/v1.41/containers/create", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 201 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%v: %d %s, want %s", plain, w.Code, w.Body, want)
		}
	}
}
