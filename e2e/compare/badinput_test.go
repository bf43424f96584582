//go:build linux && compare

package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// ask sends one request and returns status and message.
func (e *engine) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://d"+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := over(e.socket).Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	var m struct{ Message string }
	if json.Unmarshal(b, &m) != nil || m.Message == "" {
		return res.StatusCode, string(b)
	}
	return res.StatusCode, m.Message
}

// TestBadInputIsRefused: unknown fields, wrong types, huge bodies, bad names,
// ids that are ambiguous, versions that are not spoken, routes that are not
// served.
func TestBadInputIsRefused(t *testing.T) {
	e, archive := alone(t)
	e.prepare(t, archive)
	// Two of more than sixteen ids begin with the same digit.
	for n := range 17 {
		if a := e.sh(t.Context(), fmt.Sprintf("docker create --name box%d lab:1 true", n)); a.exit != 0 {
			t.Fatal(a)
		}
	}
	double := ""
	first := map[byte]bool{}
	for id := range strings.FieldsSeq(e.sh(t.Context(), "docker ps -aq").out) {
		if first[id[0]] {
			double = id[:1]
		}
		first[id[0]] = true
	}
	huge := `{"Image":"lab:1","Cmd":["` + strings.Repeat("x", 5<<20) + `"]}`
	for _, c := range []struct {
		method, path, body string
		status             int
		words              string
	}{
		{"POST", "/containers/create?name=ok1", `{"Image":"lab:1","Unknown":1,"HostConfig":{"Unknown":true}}`, 201, ""},
		{"POST", "/containers/create", `{"Image":5}`, 400, "invalid JSON"},
		{"POST", "/containers/create", `{"Image":"lab:1","HostConfig":{"Memory":"much"}}`, 400, "invalid JSON"},
		{"POST", "/containers/create", `{"Image":"lab:1"`, 400, "invalid JSON"},
		{"POST", "/containers/create", `[]`, 400, "invalid JSON"},
		{"POST", "/containers/create", ``, 400, ""},
		{"POST", "/containers/create", `null`, 400, "config cannot be empty"},
		{"POST", "/containers/create", huge, 413, "request body too large"},
		{"POST", "/containers/create", `{"Image":""}`, 404, "No such image"},
		{"POST", "/containers/create", `{"Image":"../../etc"}`, 400, "invalid reference format"},
		{"POST", "/containers/create?name=a/b", `{"Image":"lab:1","Cmd":["true"]}`, 400, "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"},
		{"POST", "/containers/create?name=x", `{"Image":"lab:1","Cmd":["true"]}`, 400, "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"},
		{"POST", "/containers/create", `{"Image":"lab:1","HostConfig":{"IpcMode":"host"}}`, 400, "HostConfig.IpcMode=host"},
		{"GET", "/containers/" + double + "/json", "", 400, "multiple IDs found with provided prefix: " + double},
		{"GET", "/containers/nobody/json", "", 404, "No such container: nobody"},
		{"GET", "/containers/json?filters=nonsense", "", 400, "invalid filter"},
		{"GET", "/containers/json?limit=many", "", 400, "not a number"},
		{"GET", "/containers/box1/archive", "", 400, "bad parameter"},
		{"GET", "/containers/box1/logs", "", 400, "at least one stream"},
		{"GET", "/containers/box1/logs?stdout=1&since=soon", "", 400, "invalid time"},
		{"PUT", "/containers/box1/archive?path=/", "no archive", 400, ""},
		{"POST", "/containers/box1/exec", `{"Cmd":[]}`, 400, "no exec command"},
		{"POST", "/containers/box1/wait?condition=bored", "", 400, "invalid condition"},
		{"POST", "/images/lab:1/tag?repo=Upper", "", 400, "invalid reference format"},
		{"GET", "/images/..%2f..%2fetc/json", "", 400, "invalid reference format"},
		{"POST", "/volumes/create", `{"Name":"../../etc"}`, 400, "invalid characters"},
		{"GET", "/v1.99/info", "", 400, "too new"},
		{"GET", "/v1.10/info", "", 400, "too old"},
		{"GET", "/nowhere", "", 501, "GET /nowhere is not served"},
		{"POST", "/build", "", 501, "POST /build"},
	} {
		status, words := e.ask(t, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(words, c.words) {
			t.Errorf("%s %s %.60s: %d %.200q, want %d %q", c.method, c.path, c.body, status, words, c.status, c.words)
		}
	}
}

// TestEventsMissNothing reads docker events slowly while 16 callers make, start
// and remove containers: every container's life is there, in order.
func TestEventsMissNothing(t *testing.T) {
	const callers, each = 16, 8
	e, archive := alone(t)
	e.prepare(t, archive)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://d/events?filters="+`{"type":["container"]}`, nil)
	must(t, err)
	res, err := over(e.socket).Do(req)
	must(t, err)
	defer res.Body.Close()

	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			for i := range each {
				status, body := e.ask(t, "POST", fmt.Sprintf("/containers/create?name=c%d-%d", n, i), `{"Image":"lab:1","Cmd":["true"]}`)
				var made struct{ ID string }
				if err := json.Unmarshal([]byte(body), &made); err != nil || status != 201 {
					t.Errorf("create: %d %s", status, body)
					return
				}
				for _, step := range []struct{ method, path string }{{"POST", "/start"}, {"POST", "/wait"}, {"DELETE", ""}} {
					if status, body := e.ask(t, step.method, "/containers/"+made.ID+step.path, ""); status >= 300 {
						t.Errorf("%s: %d %s", step.path, status, body)
					}
				}
			}
		})
	}
	wg.Wait() // nothing was read so far

	lives, ended := map[string]string{}, 0
	late := time.AfterFunc(time.Minute, func() { res.Body.Close() })
	defer late.Stop()
	for d := json.NewDecoder(res.Body); ended < callers*each; {
		var m struct {
			Action string
			Actor  struct {
				ID         string
				Attributes map[string]string
			}
		}
		if err := d.Decode(&m); err != nil {
			t.Fatalf("after the end of %d lives: %v", ended, err)
		}
		if m.Actor.Attributes["name"] == "" || m.Actor.Attributes["image"] != "lab:1" {
			t.Errorf("%s without name or image: %v", m.Action, m.Actor.Attributes)
		}
		if lives[m.Actor.ID] += m.Action + " "; m.Action == "destroy" {
			ended++
		}
	}
	for id, life := range lives {
		if life != "create start die destroy " {
			t.Errorf("%s: %s", id, life)
		}
	}
	if len(lives) != callers*each {
		t.Errorf("%d containers", len(lives))
	}
}
