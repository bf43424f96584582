//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// engine is a server of the Docker Engine API: ours, or dockerd.
type engine struct {
	name, run string // run: folder of ours
	socket    string
	cmd       *exec.Cmd
	http      http.Client
	cleanUp   func() error
}

// serve starts ours.
func serve(o options, dir string) (*engine, error) {
	socket := filepath.Join(dir, "d.sock")
	e := dial("layerlab", socket)
	e.run = filepath.Join(dir, "run")
	e.cmd = exec.Command(o.layerlab, "serve", "--listen", "127.0.0.1:0", "--no-samples", "--limit-time", "10m",
		"--data", filepath.Join(dir, "data"), "--run", e.run, "--docker-socket", socket)
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.cmd.Stderr = log
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("layerlab does not serve, see %s: %w", log.Name(), err)
	}
	e.cleanUp = func() error { return os.RemoveAll(dir) }
	return e, nil
}

// dockerd starts the other one. It finds no rules to make in the firewall, and
// its bridge is removed thereafter.
func dockerd(dir string) (*engine, error) {
	program, err := exec.LookPath("dockerd")
	if err != nil {
		return nil, err
	}
	_, err = net.InterfaceByName("docker0")
	had := err == nil
	socket := filepath.Join(dir, "d.sock")
	e := dial("dockerd", socket)
	e.cmd = exec.Command(program, "--iptables=false", "--ip6tables=false", "--bip", "10.77.0.1/24", "-H", "unix://"+socket,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	e.cleanUp = func() error {
		if !had {
			_ = exec.Command("ip", "link", "delete", "docker0").Run() // it may not have come so far
		}
		// It mounts its folder on itself, which stays so where it had to be killed.
		_ = unix.Unmount(filepath.Join(dir, "data"), unix.MNT_DETACH)
		return os.RemoveAll(dir)
	}
	for late := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) { // a socket gives no event
		if err = e.call(context.Background(), "GET", "/_ping", nil, nil); err == nil {
			return e, nil
		}
		if time.Now().After(late) {
			return nil, errors.Join(fmt.Errorf("dockerd does not answer, see %s: %w", log.Name(), err), e.stop())
		}
	}
}

func dial(name, socket string) *engine {
	return &engine{name: name, socket: socket, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 16,
	}}}
}

// clear removes all containers, which would outlive ours.
func (e *engine) clear() {
	ctx := context.Background()
	var all []struct{ ID string }
	err := e.call(ctx, "GET", "/containers/json?all=1", nil, &all)
	for _, c := range all {
		err = errors.Join(err, e.remove(ctx, c.ID))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "enginebench: containers are left:", err)
	}
}

func (e *engine) stop() error {
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.AfterFunc(time.Minute, func() { _ = e.cmd.Process.Kill() })
	defer late.Stop()
	_ = e.cmd.Wait() // it was told to end
	return e.cleanUp()
}

// call sends JSON, or the bytes of a Reader, and reads JSON; out nil reads the
// answer to its end.
func (e *engine) call(ctx context.Context, method, path string, in, out any) error {
	body, kind := io.Reader(http.NoBody), "application/json"
	switch in := in.(type) {
	case nil:
	case io.Reader:
		body, kind = in, "application/x-tar"
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://d/v1.41"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%d %.300s", resp.StatusCode, bytes.TrimSpace(text))
	}
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %s %s: %w", e.name, method, path, err)
	}
	return nil
}

func (e *engine) load(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return e.call(ctx, "POST", "/images/load?quiet=1", f, nil)
}

// settings are what the measured containers differ in.
type settings struct {
	Image      string
	Cmd        []string       `json:",omitempty"`
	HostConfig map[string]any `json:",omitempty"`
	// ExposedPorts is what dockerd needs of a port that is published.
	ExposedPorts map[string]any `json:",omitempty"`
}

func (e *engine) create(ctx context.Context, s settings) (string, error) {
	var made struct{ ID string }
	err := e.call(ctx, "POST", "/containers/create", s, &made)
	return made.ID, err
}

func (e *engine) start(ctx context.Context, id string) error {
	return e.call(ctx, "POST", "/containers/"+id+"/start", nil, nil)
}

// up creates and starts a container.
func (e *engine) up(ctx context.Context, s settings) (string, error) {
	id, err := e.create(ctx, s)
	if err == nil {
		err = e.start(ctx, id)
	}
	return id, err
}

func (e *engine) remove(ctx context.Context, id string) error {
	return e.call(ctx, "DELETE", "/containers/"+id+"?force=1&v=1", nil, nil)
}

// exec runs a command in a container and waits for its end.
func (e *engine) exec(ctx context.Context, id string, command ...string) error {
	var made struct{ ID string }
	asked := map[string]any{"Cmd": command, "AttachStdout": true, "AttachStderr": true}
	if err := e.call(ctx, "POST", "/containers/"+id+"/exec", asked, &made); err != nil {
		return err
	}
	if err := e.call(ctx, "POST", "/exec/"+made.ID+"/start", map[string]any{}, nil); err != nil {
		return err
	}
	var ended struct{ ExitCode int }
	if err := e.call(ctx, "GET", "/exec/"+made.ID+"/json", nil, &ended); err != nil {
		return err
	}
	if ended.ExitCode != 0 {
		return fmt.Errorf("%s: exec %s: exit code %d", e.name, strings.Join(command, " "), ended.ExitCode)
	}
	return nil
}

// pid is the container's first process on the host.
func (e *engine) pid(ctx context.Context, id string) (int, error) {
	var one struct{ State struct{ Pid int } }
	err := e.call(ctx, "GET", "/containers/"+id+"/json", nil, &one)
	return one.State.Pid, err
}
