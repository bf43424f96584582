package labapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// noted answers every call with one container, or with err, and notes the call.
type noted struct {
	calls []string
	err   error
}

func (n *noted) note(format string, args ...any) {
	n.calls = append(n.calls, fmt.Sprintf(format, args...))
}

func (n *noted) one(what, id string) (wire.Container, error) {
	n.note("%s %s", what, id)
	return wire.Container{ID: id, State: wire.StateRunning}, n.err
}

func (n *noted) List(context.Context) ([]wire.Container, error) {
	n.note("list")
	return []wire.Container{{ID: "c1"}}, n.err
}

func (n *noted) Get(_ context.Context, id string) (wire.Container, error) { return n.one("get", id) }

func (n *noted) Create(_ context.Context, c wire.NewContainer) (wire.CreatedContainer, error) {
	n.note("create %s %q %v", c.Image, c.Command, c.TTY)
	return wire.CreatedContainer{Container: wire.Container{ID: "c1"}, Warnings: []wire.Warning{{Code: "bind-nobody"}}}, n.err
}

func (n *noted) Delete(_ context.Context, id string) error { n.note("delete %s", id); return n.err }

func (n *noted) Start(_ context.Context, id string) (wire.Container, error) {
	return n.one("start", id)
}

func (n *noted) Stop(_ context.Context, id string, c wire.StopContainer) (wire.Container, error) {
	if c.Timeout != nil {
		return n.one(fmt.Sprint("stop after ", *c.Timeout), id)
	}
	return n.one("stop", id)
}

func (n *noted) Restart(_ context.Context, id string, c wire.StopContainer) (wire.Container, error) {
	return n.one("restart "+c.Signal, id)
}

func (n *noted) Rename(_ context.Context, id, name string) (wire.Container, error) {
	return n.one("rename to "+name, id)
}

func (n *noted) Export(_ context.Context, id string, open func(string) io.Writer) error {
	n.note("export %s", id)
	if n.err != nil {
		return n.err
	}
	_, err := io.WriteString(open("web.tar"), "the tar")
	return err
}

func (n *noted) Prune(context.Context) (wire.Pruned, error) {
	n.note("prune")
	return wire.Pruned{Removed: []string{"old"}, Freed: 3}, n.err
}

func (n *noted) Kill(_ context.Context, id string, c wire.KillContainer) (wire.Container, error) {
	return n.one("kill "+c.Signal, id)
}

func (n *noted) Pause(_ context.Context, id string) (wire.Container, error) {
	return n.one("pause", id)
}

func (n *noted) Unpause(_ context.Context, id string) (wire.Container, error) {
	return n.one("unpause", id)
}

func (n *noted) Commit(_ context.Context, id string, c wire.CommitContainer) (wire.Image, error) {
	n.note("commit %s %s", c.Ref, id)
	return wire.Image{ID: "sha256:2"}, n.err
}

func (n *noted) Exec(_ context.Context, id string, c wire.ExecContainer) (wire.Exec, error) {
	n.note("exec %q %s", c.Command, id)
	return wire.Exec{ID: "e1"}, n.err
}

func (n *noted) Changes(_ context.Context, id string) (wire.Changes, error) {
	n.note("changes %s", id)
	return wire.Changes{Changes: []wire.Change{}}, n.err
}

func (n *noted) Facts(_ context.Context, id string) (wire.Facts, error) {
	n.note("facts %s", id)
	return wire.Facts{Pid: 7}, n.err
}

func (n *noted) Plan(_ context.Context, id string) (json.RawMessage, error) {
	n.note("plan %s", id)
	return json.RawMessage(`{"steps":[]}`), n.err
}

func (n *noted) Trace(_ context.Context, id string) (json.RawMessage, error) {
	n.note("trace %s", id)
	return json.RawMessage(`[]`), n.err
}

func (n *noted) CreateVolume(_ context.Context, v wire.CreateVolume) (wire.Volume, error) {
	n.note("create volume %s", v.Name)
	return wire.Volume{Name: v.Name}, n.err
}

func (n *noted) Volumes(context.Context) ([]wire.Volume, error) {
	n.note("volumes")
	return []wire.Volume{{Name: "v1"}}, n.err
}

func (n *noted) Volume(_ context.Context, name string) (wire.Volume, error) {
	n.note("volume %s", name)
	return wire.Volume{Name: name}, n.err
}

func (n *noted) DeleteVolume(_ context.Context, name string) error {
	n.note("delete volume %s", name)
	return n.err
}

func (n *noted) PruneVolumes(_ context.Context, all bool) (wire.Pruned, error) {
	n.note("prune volumes %v", all)
	return wire.Pruned{Removed: []string{"v1"}, Freed: 5}, n.err
}

// notedNetworks is the same for networks.
type notedNetworks struct{ *noted }

func (n notedNetworks) List(context.Context) ([]wire.Network, error) {
	n.note("networks")
	return []wire.Network{{ID: "n1"}}, n.err
}

func (n notedNetworks) Get(_ context.Context, ref string) (wire.Network, error) {
	n.note("network %s", ref)
	return wire.Network{ID: ref}, n.err
}

func (n notedNetworks) Create(_ context.Context, req wire.CreateNetwork) (wire.Network, error) {
	n.note("create network %s %s", req.Name, req.Subnet)
	return wire.Network{Name: req.Name}, n.err
}

func (n notedNetworks) Remove(_ context.Context, ref string) error {
	n.note("remove network %s", ref)
	return n.err
}

func (n notedNetworks) Prune(_ context.Context, keep func(wire.Network) bool) ([]string, error) {
	n.note("prune networks %v", keep(wire.Network{}))
	return []string{"n1"}, n.err
}

func (n notedNetworks) Connect(_ context.Context, ref string, req wire.ConnectNetwork) error {
	n.note("connect %s to %s as %q", req.Container, ref, req.Aliases)
	return n.err
}

func (n notedNetworks) Disconnect(_ context.Context, ref, container string) error {
	n.note("disconnect %s from %s", container, ref)
	return n.err
}

// withContainers is an API whose containers note what is asked.
func withContainers(t *testing.T, n *noted) *echo.Echo {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	e := echo.New()
	e.HTTPErrorHandler = labapi.ErrorHandler(log)
	labapi.New(labapi.Deps{
		Images: &fakeImages{}, Containers: n, Networks: notedNetworks{n}, Recordings: fakeRecordings{}, Shares: fakeShares{}, Events: setUp(t).bus, Gate: fakeGate{}, Terminals: fakeTerminals{}, Log: log,
		Info: func(context.Context) wire.Info { return wire.Info{} },
	}).Register(e.Group(labapi.Prefix))
	return e
}

func TestContainerRoutes(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		call, answer       string
	}{
		{"GET", "/containers", "", 200, "list", `"containers":[{"id":"c1"`},
		{"POST", "/containers", `{"image":"a:1","command":["sh","-c","x"],"tty":true}`, 201, `create a:1 ["sh" "-c" "x"] true`, `"warnings":[{"code":"bind-nobody"`},
		{"GET", "/containers/web", "", 200, "get web", `"id":"web"`},
		{"DELETE", "/containers/web", "", 204, "delete web", ""},
		{"POST", "/containers/web/start", "", 200, "start web", `"state":"running"`},
		{"POST", "/containers/web/stop", "", 200, "stop web", `"id":"web"`},
		{"POST", "/containers/web/stop", `{"timeout":0}`, 200, "stop after 0 web", `"id":"web"`},
		{"POST", "/containers/web/restart", "", 200, "restart  web", `"id":"web"`},
		{"POST", "/containers/web/restart", `{"signal":"INT"}`, 200, "restart INT web", `"state":"running"`},
		{"POST", "/containers/web/rename", `{"name":"shop"}`, 200, "rename to shop web", `"id":"web"`},
		{"GET", "/containers/web/export", "", 200, "export web", "the tar"},
		{"POST", "/containers/prune", "", 200, "prune", `{"removed":["old"],"freed":3}`},
		{"POST", "/containers/web/kill", `{"signal":"HUP"}`, 200, "kill HUP web", `"id":"web"`},
		{"POST", "/containers/web/pause", "", 200, "pause web", `"id":"web"`},
		{"POST", "/containers/web/unpause", "", 200, "unpause web", `"id":"web"`},
		{"POST", "/containers/web/commit", `{"ref":"b:1"}`, 201, "commit b:1 web", `"id":"sha256:2"`},
		{"POST", "/containers/web/exec", `{"command":["ls"],"tty":false}`, 201, `exec ["ls"] web`, `"id":"e1"`},
		{"GET", "/containers/web/changes", "", 200, "changes web", `"changes":[]`},
		{"GET", "/containers/web/facts", "", 200, "facts web", `"pid":7`},
		{"GET", "/containers/web/plan", "", 200, "plan web", `{"steps":[]}`},
		{"GET", "/containers/web/trace", "", 200, "trace web", `[]`},
		{"GET", "/volumes", "", 200, "volumes", `"volumes":[{"name":"v1"`},
		{"POST", "/volumes", `{"name":"v2"}`, 201, "create volume v2", `"name":"v2"`},
		{"GET", "/volumes/v1", "", 200, "volume v1", `"name":"v1"`},
		{"DELETE", "/volumes/v1", "", 204, "delete volume v1", ""},
		{"POST", "/volumes/prune", "", 200, "prune volumes false", `{"removed":["v1"],"freed":5}`},
		{"POST", "/volumes/prune", `{"all":true}`, 200, "prune volumes true", `"freed":5`},
		{"GET", "/networks", "", 200, "networks", `"networks":[{"id":"n1"`},
		{"POST", "/networks", `{"name":"front","subnet":"10.1.0.0/16"}`, 201, "create network front 10.1.0.0/16", `"name":"front"`},
		{"GET", "/networks/front", "", 200, "network front", `"id":"front"`},
		{"DELETE", "/networks/front", "", 204, "remove network front", ""},
		{"POST", "/networks/front/connect", `{"container":"web","aliases":["w"]}`, 200, `connect web to front as ["w"];network front`, `"id":"front"`},
		{"POST", "/networks/front/disconnect", `{"container":"web"}`, 200, "disconnect web from front;network front", `"id":"front"`},
		{"POST", "/networks/prune", "", 200, "prune networks true", `{"removed":["n1"]}`},
		{"GET", "/terminals/e1", "", 200, "", "terminal of e1"},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			n := &noted{}
			e := withContainers(t, n)
			do := func() *httptest.ResponseRecorder {
				w := httptest.NewRecorder()
				e.ServeHTTP(w, httptest.NewRequest(c.method, labapi.Prefix+c.path, strings.NewReader(c.body)))
				return w
			}
			w := do()
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) || c.call != strings.Join(n.calls, ";") {
				t.Errorf("%d %s; calls %q", w.Code, w.Body, n.calls)
			}
			if c.call == "" {
				return
			}
			n.err = imagecore.NewError(imagecore.ErrConflict, "container-running", "it runs", "container", "web")
			if w := do(); w.Code != 409 || !strings.Contains(w.Body.String(), `"code":"container-running"`) || !strings.Contains(w.Body.String(), `"container":"web"`) {
				t.Errorf("error answered as %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestContainerBodiesAreChecked(t *testing.T) {
	n := &noted{}
	e := withContainers(t, n)
	for _, path := range []string{"/containers", "/containers/web/stop", "/containers/web/kill", "/containers/web/restart", "/containers/web/rename", "/containers/web/commit", "/containers/web/exec", "/networks", "/networks/n/connect", "/networks/n/disconnect", "/volumes/prune"} {
		for _, body := range []string{`{"privileged":true}`, `{`, `[]`} {
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest("POST", labapi.Prefix+path, strings.NewReader(body)))
			if w.Code != 400 {
				t.Errorf("POST %s %s: %d %s", path, body, w.Code, w.Body)
			}
		}
	}
	if len(n.calls) != 0 {
		t.Errorf("a bad body reached the engine: %q", n.calls)
	}
}
