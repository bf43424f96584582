//go:build linux

package dockerapi

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestVersionsAndRoutesThatAreNotServed(t *testing.T) {
	h := New(Deps{Facts: Facts{Version: "test"}, Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		method, path string
		status       int
		words        string
	}{
		{"GET", "/_ping", 200, "OK"},
		{"HEAD", "/v1.22/_ping", 200, ""},
		{"GET", "/v1.56/version", 200, `"ApiVersion":"1.56"`},
		{"GET", "/v1.57/version", 400, "client version 1.57 is too new. Maximum supported API version is 1.56"},
		{"GET", "/v1.21/version", 400, "client version 1.21 is too old. Minimum supported API version is 1.22, please upgrade your client to a newer version"},
		{"GET", "/v1.41/swarm/unlockkey", 501, "GET /swarm/unlockkey is not served by layerlab"},
		{"POST", "/build", 501, "building images is not served by layerlab yet"},
		{"POST", "/images/a/b:1/push", 501, "pushing to a registry"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.words) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w.Header().Get("Api-Version") != "1.56" || w.Header().Get("Ostype") != "linux" || w.Header().Get("Docker-Experimental") != "false" {
			t.Errorf("%s: headers %v", c.path, w.Header())
		}
		if w.Code >= http.StatusBadRequest {
			var e struct{ Message string }
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Message == "" {
				t.Errorf("%s: %s", c.path, w.Body)
			}
		}
	}
}

func TestMoments(t *testing.T) {
	now := time.Unix(1000, 0)
	for text, want := range map[string]time.Time{
		"": {}, "0": {}, "12.5": time.Unix(12, 500_000_000), "10m": now.Add(-10 * time.Minute), "1970-01-01T00:00:07Z": time.Unix(7, 0),
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	if _, err := moment("soon", now); err == nil {
		t.Error("soon is taken")
	}
}

// TestOldComposeIsToldOfTheVersionThatItKnows: it asks for it and then speaks it.
func TestOldComposeIsToldOfTheVersionThatItKnows(t *testing.T) {
	for client, want := range map[string]string{
		"docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1": "1.41", "docker-compose/2.30.0": MaxVersion.String(), "docker-sdk-python/5.0.3": MaxVersion.String(),
	} {
		r := httptest.NewRequest("GET", "/version", nil)
		r.Header.Set("User-Agent", client)
		w := httptest.NewRecorder()
		New(Deps{Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, r)
		var v struct{ APIVersion string }
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.APIVersion != want {
			t.Errorf("%s: %+v, %v", client, v, err)
		}
	}
}
