//go:build linux

package dockerapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/storage"

	"github.com/layerlab/layerlab/imagecore/pack"
	"github.com/layerlab/layerlab/imagecore/tree"
	"github.com/layerlab/layerlab/server/dockerapi/settings"
	"github.com/layerlab/layerlab/server/labapi/wire"
	"github.com/layerlab/layerlab/server/logging"
)

func (h *Handler) containerInspect(c *call) error {
	ctx := c.r.Context()
	d, err := h.Containers.Detail(ctx, c.path["name"])
	if err != nil {
		return containerError(c.path["name"], err)
	}
	config, host := h.asked(d)
	if c.version < 44 && askedDefault(d) {
		host.NetworkMode = "default" // as it was asked for; newer answers say what that is
	}
	config.Labels = h.labels(ctx, d)
	one := d.Container
	v := container.InspectResponse{
		ID: one.ID, Created: one.CreatedAt.Format(time.RFC3339Nano), State: state(one), Image: one.Image,
		ResolvConfPath: filepath.Join(d.Folder, "resolv.conf"), HostnamePath: filepath.Join(d.Folder, "hostname"),
		HostsPath: filepath.Join(d.Folder, "hosts"), LogPath: filepath.Join(d.Folder, "log"),
		Name: "/" + one.Name, RestartCount: one.RestartCount, Driver: "overlay2", Platform: "linux", ExecIDs: d.Execs, HostConfig: host,
		GraphDriver: &storage.DriverData{Name: "overlay2", Data: map[string]string{
			"UpperDir": filepath.Join(d.Layer, "upper"), "WorkDir": filepath.Join(d.Layer, "work"),
		}},
		Mounts: mountPoints(d.Mounts), Config: config, Args: []string{},
		NetworkSettings: networkSettings(d),
	}
	v.State.Health = healthState(d.Health)
	if len(one.Command) > 0 {
		v.Path, v.Args = one.Command[0], one.Command[1:]
	}
	if c.flag("size") {
		changes, err := h.Containers.AllChanges(ctx, one.ID)
		if err != nil {
			return err
		}
		v.SizeRw, v.SizeRootFs = new(changes.Bytes), new(changes.Bytes)
		if img, err := h.Images.Find(ctx, one.Image); err == nil {
			*v.SizeRootFs += img.Size()
		}
	}
	return c.json(http.StatusOK, v)
}

// asked is what the creator asked for, with what came out of it: a container
// that the page made was asked for in other words.
func (h *Handler) asked(d Container) (*container.Config, *container.HostConfig) {
	req := container.CreateRequest{Config: &container.Config{}, HostConfig: &container.HostConfig{}}
	if len(d.Client) > 0 {
		_ = json.Unmarshal(d.Client, &req) // it was read before
	} else {
		req.Config, req.HostConfig = pageConfig(&d.CreateRequest), hostConfig(&d.CreateRequest)
	}
	if req.HostConfig == nil {
		req.HostConfig = &container.HostConfig{}
	}
	settings.ShowInForce(req.HostConfig, &d.CreateContainer)
	config := req.Config
	config.Hostname, config.Env, config.WorkingDir = d.Hostname, d.Env, d.WorkingDir
	config.Image, config.Tty, config.User = d.Container.ImageRef, d.Container.TTY, d.User
	config.StopSignal = d.StopSignal
	config.Healthcheck = (*container.HealthConfig)(d.Check)
	config.OpenStdin = d.OpenStdin || d.Container.TTY
	if config.Cmd == nil {
		config.Cmd = d.Container.Command
	}
	host := req.HostConfig
	host.NetworkMode = container.NetworkMode(networkMode(d))
	if host.LogConfig.Type == "" {
		host.LogConfig.Type = logging.JSONFile
	}
	host.Runtime = cmp.Or(d.Container.Runtime, "layerlab")
	if host.RestartPolicy.Name == "" {
		host.RestartPolicy.Name = "no"
	}
	return config, host
}

// pageConfig and hostConfig are those by which a client would have asked for what
// the page did.
func pageConfig(r *CreateRequest) *container.Config {
	c := &container.Config{Cmd: r.Command, Entrypoint: r.Entrypoint, Domainname: r.Domainname, StopTimeout: r.StopTimeout, ExposedPorts: network.PortSet{}, Volumes: map[string]struct{}{}}
	for _, text := range r.Network.Exposed {
		if port, err := network.ParsePort(text); err == nil {
			c.ExposedPorts[port] = struct{}{}
		}
	}
	for _, m := range r.Mounts {
		if m.Type == wire.MountVolume && m.Source == "" {
			c.Volumes[m.Target] = struct{}{}
		}
	}
	return c
}

func hostConfig(r *CreateRequest) *container.HostConfig {
	h := settings.Show(&r.CreateContainer)
	h.AutoRemove = r.AutoRemove
	settings.ShowNetworks(h, &r.Network)
	return h
}

// askedDefault reports whether a client left the network to the engine.
func askedDefault(d Container) bool {
	var req container.CreateRequest
	return json.Unmarshal(d.Client, &req) == nil && req.HostConfig != nil && req.HostConfig.NetworkMode == "default"
}

func state(one wire.Container) *container.State {
	never := time.Time{}.Format(time.RFC3339Nano)
	s := &container.State{
		Status:     container.ContainerState(one.State),
		Running:    one.State == wire.StateRunning || one.State == wire.StatePaused || one.State == wire.StateRestarting,
		Restarting: one.State == wire.StateRestarting, OOMKilled: one.OOMKilled, Paused: one.State == wire.StatePaused,
		Pid: one.Pid, StartedAt: never, FinishedAt: never,
	}
	if one.ExitCode != nil {
		s.ExitCode = *one.ExitCode
	}
	if one.Error != nil {
		s.Error = one.Error.Message
	}
	if one.StartedAt != nil {
		s.StartedAt = one.StartedAt.Format(time.RFC3339Nano)
	}
	if one.FinishedAt != nil {
		s.FinishedAt = one.FinishedAt.Format(time.RFC3339Nano)
	}
	return s
}

func (h *Handler) containerChanges(c *call) error {
	changes, err := h.Containers.AllChanges(c.r.Context(), c.path["name"])
	if err != nil {
		return containerError(c.path["name"], err)
	}
	list := []container.FilesystemChange{}
	for _, change := range changes.Changes {
		if change.Passed {
			continue
		}
		kind := container.ChangeModify
		switch change.Kind {
		case "A":
			kind = container.ChangeAdd
		case "D":
			kind = container.ChangeDelete
		}
		list = append(list, container.FilesystemChange{Kind: kind, Path: "/" + strings.TrimPrefix(change.Path, "/")})
	}
	return c.json(http.StatusOK, list)
}

func (h *Handler) containerExport(c *call) error {
	err := h.Containers.Export(c.r.Context(), c.path["name"], func(v *tree.View, content func(int) (io.ReaderAt, error)) error {
		c.Header().Set("Content-Type", "application/x-tar")
		c.head(http.StatusOK)
		h.Containers.Act(c.r.Context(), c.path["name"], "export")
		return pack.Flatten(c, v, content)
	})
	return containerError(c.path["name"], err)
}

// containerTop asks the host's ps and keeps the container's lines, as Docker
// does: whoever names columns names those of that ps(1).
func (h *Handler) containerTop(c *call) error {
	pids, err := h.Containers.Processes(c.r.Context(), c.path["name"])
	if err != nil {
		return containerError(c.path["name"], err)
	}
	args := strings.Fields(c.query("ps_args"))
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	list := make([]string, len(pids))
	for i, pid := range pids {
		list[i] = strconv.Itoa(pid)
	}
	ps := func(more ...string) ([]byte, error) {
		cmd := exec.CommandContext(c.r.Context(), "ps", append(slices.Clone(args), more...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		return cmd.Output()
	}
	out, err := ps("-q" + strings.Join(list, ","))
	if err != nil {
		out, err = ps() // some options do not go with -q
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		why, _, _ := strings.Cut(string(failed.Stderr), "\n")
		return invalid("ps: %s", cmp.Or(why, failed.Error()))
	}
	if err != nil {
		return invalid("ps: %v", err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	titles := strings.Fields(lines[0])
	at := slices.Index(titles, "PID")
	if at < 0 {
		return invalid("Couldn't find PID field in ps output")
	}
	answer := container.TopResponse{Titles: titles, Processes: [][]string{}}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) < len(titles) {
			continue
		}
		pid, err := strconv.Atoi(fields[at])
		if err != nil || !slices.Contains(pids, pid) {
			continue
		}
		last := len(titles) - 1
		answer.Processes = append(answer.Processes, append(slices.Clone(fields[:last]), strings.Join(fields[last:], " ")))
	}
	h.Containers.Act(c.r.Context(), c.path["name"], "top")
	return c.json(http.StatusOK, answer)
}

// mountPoints says of a container's mounts what docker inspect shows.
func mountPoints(list []Mount) []container.MountPoint {
	out := []container.MountPoint{}
	for _, m := range list {
		p := container.MountPoint{Destination: path.Clean(m.Target), RW: !m.ReadOnly}
		switch m.Type {
		case wire.MountBind:
			p.Type, p.Source, p.Propagation = "bind", m.Source, "rprivate"
		case wire.MountVolume:
			p.Type, p.Name, p.Source, p.Driver = "volume", m.Volume, m.Source, "local"
		default:
			p.Type = "tmpfs"
		}
		switch {
		case m.ReadOnly && p.Type != "tmpfs":
			p.Mode = "ro"
		case p.Type == "volume" && !m.Anonymous:
			p.Mode = "z" // Docker's default for what has a name
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b container.MountPoint) int { return strings.Compare(a.Destination, b.Destination) })
	return out
}
