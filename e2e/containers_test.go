package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// truth is what the server says of a container.
type truth struct {
	Status   string
	Running  bool
	Pid      int
	ExitCode int
	Error    string
}

func (c *crashLab) truth(id string) truth {
	c.t.Helper()
	status, text := c.do("GET", "/containers/"+id+"/json", nil)
	var one struct{ State truth }
	if err := json.Unmarshal([]byte(text), &one); err != nil || status != 200 {
		c.t.Fatalf("inspect of %.12s: %d %s", id, status, text)
	}
	return one.State
}

// started makes and starts a container of the sample image.
func (c *crashLab) started(config string) string {
	c.t.Helper()
	id := c.made("/containers/create", `{"Image":"layerlab/sample",`+config+`}`)
	c.ids = append(c.ids, id)
	if status, text := c.post("/containers/"+id+"/start", nil); status != 204 {
		c.t.Fatalf("start of %s: %d %s", config, status, text)
	}
	return id
}

// says is what a command within a container writes.
func (c *crashLab) says(id, script string) string {
	c.t.Helper()
	exec := c.made("/containers/"+id+"/exec", fmt.Sprintf(`{"Cmd":["sh","-c",%q],"AttachStdout":true,"AttachStderr":true,"Tty":true}`, script))
	status, text := c.post("/exec/"+exec+"/start", strings.NewReader(`{"Tty":true}`))
	if status != 200 {
		c.t.Fatalf("%s: %d %s", script, status, text)
	}
	return strings.ReplaceAll(text, "\r", "")
}
