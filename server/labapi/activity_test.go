package labapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/activity"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// fakeActivity knows every call by any id.
type fakeActivity struct{ *activity.Recorder }

func (f fakeActivity) Get(context.Context, string) (wire.Activity, error) {
	return wire.Activity{}, nil
}

func TestWhatPeopleDoIsKeptAndWhatThePageAsksIsNot(t *testing.T) {
	b := setUp(t)
	b.do("GET", "/images", "")
	b.do("POST", "/tickets", `{"path":"/api/v1/events"}`)
	b.do("GET", "/images/a/save?ticket=secret", "")
	b.do("DELETE", "/images/lab%2Fx:1", "")
	b.images.err = imagecore.NewError(imagecore.ErrConflict, "image-in-use", "a container is made of it")
	b.do("DELETE", "/images/a", "")
	var got wire.ActivityList
	if err := json.Unmarshal(b.do("GET", "/activity", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, a := range got.Activities {
		line, err := json.Marshal([]any{a.By, a.Verb, a.Path, a.Status, a.Done, a.Error})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	want := []string{
		`["page","rmi","/api/v1/images/a",409,true,"a container is made of it"]`,
		`["page","rmi","/api/v1/images/lab%2Fx:1",204,true,""]`,
		`["page","save","/api/v1/images/a/save",200,true,""]`,
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("kept:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestEveryActionHasDockersWord keeps a new route from being without a name in
// the activity view.
func TestEveryActionHasDockersWord(t *testing.T) {
	e := echo.New()
	labapi.New(labapi.Deps{Images: &fakeImages{}, Containers: fakeContainers{}, Networks: fakeNetworks{}, Recordings: fakeRecordings{}, Shares: fakeShares{}}).Register(e.Group(labapi.Prefix))
	names := activity.NewNamer()
	n := 0
	for _, r := range e.Routes() {
		path := strings.TrimPrefix(r.Path, labapi.Prefix)
		if r.Method == "GET" || r.Method == echo.RouteNotFound || path == "/session" || path == "/shared" || path == "/tickets" || strings.HasPrefix(path, "/uploads/") {
			continue
		}
		n++
		if names.Verb(r.Method, path) == "" {
			t.Errorf("%s %s has no word of docker's", r.Method, path)
		}
	}
	if n < 12 {
		t.Errorf("only %d actions", n)
	}
}
