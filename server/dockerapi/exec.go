//go:build linux

package dockerapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/moby/moby/api/types/common"
	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/dockerapi/viewer"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func (h *Handler) execCreate(c *call) error {
	name := c.path["name"]
	var req container.ExecCreateRequest
	if err := c.body(&req); err != nil {
		return err
	}
	if req.Privileged {
		return invalid("ExecConfig.Privileged=true is not served by layerlab yet: leave it at its default")
	}
	if len(req.Cmd) == 0 {
		return invalid("no exec command specified")
	}
	if _, err := detachKeys(req.DetachKeys); err != nil {
		return err
	}
	want := wire.ExecContainer{Command: req.Cmd, Env: req.Env, WorkingDir: req.WorkingDir, User: req.User, TTY: req.Tty}
	if req.ConsoleSize != nil {
		want.Rows, want.Cols = uint16(req.ConsoleSize[0]), uint16(req.ConsoleSize[1])
	}
	e, err := h.Containers.PrepareExec(c.r.Context(), name, want, req.AttachStdin, req.DetachKeys)
	switch code(err) {
	case "container-paused":
		return conflict("container %s is paused, unpause the container before exec", name)
	case "container-not-running":
		return containerError(name, err)
	}
	if err != nil {
		return containerError(name, err)
	}
	return c.json(http.StatusCreated, common.IDResponse{ID: e.ID})
}

func (h *Handler) execStart(c *call) error {
	id := c.path["id"]
	var req container.ExecStartRequest
	if err := c.body(&req); err != nil {
		return err
	}
	e, err := h.Containers.InspectExec(c.r.Context(), id)
	if err != nil {
		return execError(id, err)
	}
	var cols, rows uint16
	if req.ConsoleSize != nil {
		rows, cols = uint16(req.ConsoleSize[0]), uint16(req.ConsoleSize[1])
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.r.Context()))
	defer cancel()
	if req.Detach {
		s, err := h.Containers.StartExec(ctx, id, cols, rows)
		if err != nil {
			return execError(id, err)
		}
		s.Close()
		c.head(http.StatusOK)
		return nil
	}
	if e.Started {
		return conflict("exec %s has already been started", id)
	}
	conn, err := c.hijack(e.Request.TTY)
	if err != nil {
		return err
	}
	defer conn.Close()
	out := viewer.Muxed{W: conn, TTY: e.Request.TTY}
	s, err := h.Containers.StartExec(ctx, id, cols, rows)
	if err != nil {
		// The head is out: the words go where the output would.
		_, message := answer(execError(id, err))
		return out.Write(1, []byte(message+"\r\n"))
	}
	defer s.Close()
	keys, err := detachKeys(e.DetachKeys)
	if err != nil {
		return err
	}
	if viewer.Carry(s, conn, out, viewer.Wanted{Stdin: e.Stdin, Stdout: true, Stderr: true, CloseStdin: !e.Request.TTY, Detach: keys}) {
		h.Containers.Act(ctx, e.Container, "exec_detach", "execID", id)
	}
	return nil
}

// execError words what the command line makes 126 and 127 of.
func execError(id string, err error) error {
	e, ok := errors.AsType[*imagecore.Error](err)
	if !ok {
		return err
	}
	const start = "OCI runtime exec failed: exec failed: unable to start container process: "
	switch e.Code {
	case "exec-not-found":
		return &refusal{http.StatusNotFound, "No such exec instance: " + id}
	case "command-not-found", "command-not-executable", "bad-cwd", "user-not-found":
		return unstartable(e, start)
	case "container-not-running":
		return conflict("container %s is not running", e.Args["id"])
	}
	return err
}

func (h *Handler) execResize(c *call) error {
	cols, rows, err := h.size(c)
	if err != nil {
		return err
	}
	if err := h.Containers.Resize(c.r.Context(), c.path["id"], cols, rows); err != nil {
		return execError(c.path["id"], err)
	}
	c.head(http.StatusOK)
	return nil
}

func (h *Handler) execInspect(c *call) error {
	e, err := h.Containers.InspectExec(c.r.Context(), c.path["id"])
	if err != nil {
		return execError(c.path["id"], err)
	}
	return c.json(http.StatusOK, container.ExecInspectResponse{
		ID: e.ID, Running: e.Started && e.ExitCode == nil, ExitCode: e.ExitCode, Pid: e.Pid, ContainerID: e.Container,
		OpenStdin: e.Stdin, OpenStdout: true, OpenStderr: true,
		ProcessConfig: &container.ExecProcessConfig{
			Tty: e.Request.TTY, Entrypoint: e.Request.Command[0], Arguments: e.Request.Command[1:], User: e.Request.User,
		},
	})
}
