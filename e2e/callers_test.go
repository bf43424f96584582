package e2e_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestManyCallersMissNothing lets 16 callers create, start, await and remove
// containers at once: each gets its own, the events tell of every one, in
// order, and nothing is left. LAYERLAB_CONTAINERS is how many there are.
func TestManyCallersMissNothing(t *testing.T) {
	const callers = 16
	total := count(t, "LAYERLAB_CONTAINERS", 32)
	c := lab(t)
	c.load()
	c.life(total) // what is opened once for all
	c.settle("the first container", anything)
	before := c.holding()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://d/v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan map[string][]string)
	go func() {
		defer resp.Body.Close()
		events, gone := map[string][]string{}, 0
		for dec := json.NewDecoder(resp.Body); gone < total; {
			var e struct {
				Action string
				Actor  struct{ ID string }
			}
			if dec.Decode(&e) != nil {
				break // the test ends
			}
			events[e.Actor.ID] = append(events[e.Actor.ID], e.Action)
			if e.Action == "destroy" {
				gone++
			}
		}
		told <- events
	}()

	numbers := make(chan int)
	var all sync.WaitGroup
	var mu sync.Mutex
	var ids []string
	for range callers {
		all.Go(func() {
			for n := range numbers {
				id := c.life(n)
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
		})
	}
	for n := range total {
		numbers <- n
	}
	close(numbers)
	all.Wait()
	if t.Failed() {
		return
	}
	events := <-told
	for _, id := range ids {
		if got := strings.Join(events[id], " "); got != "create start die destroy" {
			t.Errorf("container %.12s: %q", id, got)
		}
	}
	if s := c.state(); len(s.containers) > 0 {
		t.Errorf("left: %v", s.containers)
	}
	c.settle("containers", before)
	t.Logf("%d containers from %d callers, %d told of", total, callers, len(events))
}

// life makes, starts, awaits and removes the container of a number, which is
// its exit code, too.
func (c *crashLab) life(n int) (id string) {
	code := strconv.Itoa(n % 100)
	status, text := c.post("/containers/create?name=n"+strconv.Itoa(n), strings.NewReader(
		`{"Image":"layerlab/sample","Cmd":["sh","-c","exit `+code+`"],"HostConfig":{"NetworkMode":"none"}}`))
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 {
		c.t.Errorf("create: %d %s", status, text)
		return ""
	}
	if status, text := c.post("/containers/"+made.ID+"/start", nil); status != 204 {
		c.t.Errorf("start: %d %s", status, text)
	}
	if status, text := c.post("/containers/"+made.ID+"/wait", nil); status != 200 || !strings.Contains(text, `"StatusCode":`+code) {
		c.t.Errorf("wait: %d %s, want code %s", status, text, code)
	}
	c.remove(made.ID)
	return made.ID
}
