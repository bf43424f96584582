//go:build linux

package dockerapi

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/layerlab/layerlab/server/activity"
)

func TestEveryCallIsRecorded(t *testing.T) {
	recorder := activity.New(activity.Options{Now: time.Now})
	h := New(Deps{Facts: Facts{Version: "test"}, Log: slog.New(slog.DiscardHandler), Activity: recorder})
	for _, c := range [][2]string{{"GET", "/v1.41/version?x=1"}, {"GET", "/v1.41/swarm/unlockkey"}, {"POST", "/build"}} {
		r := httptest.NewRequest(c[0], c[1], nil)
		r.Header.Set("User-Agent", "Docker-Client/28.2.2 (linux)")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	var got []string
	list := recorder.List(t.Context()).Activities
	for _, a := range list {
		got = append(got, fmt.Sprintf("%s %q %s %d %v %q", a.By, a.Verb, a.Path, a.Status, a.Reads, a.Client[:13]))
	}
	want := []string{
		`docker "build" /build 501 false "Docker-Client"`,
		`docker "" /v1.41/swarm/unlockkey 501 true "Docker-Client"`,
		`docker "version" /v1.41/version?x=1 200 true "Docker-Client"`,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
	if list[1].Error == "" {
		t.Error("why it was refused is not kept")
	}
}

// TestEveryServedRouteHasDockersWord keeps a new route from being without a
// name in the activity view.
func TestEveryServedRouteHasDockersWord(t *testing.T) {
	names := activity.NewNamer()
	for _, r := range New(Deps{}).routes {
		switch r.pattern {
		case "/plugins/{name}/json", "/build/prune", "/distribution/{name}/json": // asked beside a command, not by one
			continue
		}
		if names.Verb(r.method, r.pattern) == "" {
			t.Errorf("%s %s has no word", r.method, r.pattern)
		}
	}
}
