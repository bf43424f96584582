//go:build linux

package dockerapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/dockerapi/settings"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// TestWhatThePageAskedForIsShownAsAClientWouldAsk turns all settings into a
// HostConfig and back: nothing is lost.
func TestWhatThePageAskedForIsShownAsAClientWouldAsk(t *testing.T) {
	want := CreateRequest{
		AutoRemove: true,
		CreateContainer: wire.CreateContainer{
			Image: "lab:1", Rows: 24, Cols: 80, Init: true, Log: &wire.LogLimits{Driver: "local", MaxSize: 1000, MaxFile: 3, Labels: "a", Env: "E", Tag: "{{.ID}}"},
			Limits: &wire.Limits{
				Memory: 1 << 30, MemorySwap: 2 << 30, MemoryReservation: 1 << 20, Swappiness: new(int64(7)), NanoCPUs: 5e8, CPUShares: 512,
				CPUPeriod: 1000, CPUQuota: 500, CpusetCPUs: "0", CpusetMems: "0", Pids: 50, Shm: 1 << 20, Storage: 1 << 30, OOMScoreAdj: 3,
				Ulimits: []wire.Ulimit{{Name: "nofile", Soft: 5, Hard: 6}},
			},
			Security: &wire.Security{
				CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"CHOWN"}, NoNewPrivileges: true, Seccomp: "unconfined", Unmasked: true, ReadOnlyRoot: true,
				Groups: []string{"wheel"}, Sysctls: map[string]string{"a": "b"}, Devices: []wire.Device{{Path: "/dev/null", Target: "/dev/n", Access: "r"}},
			},
			Mounts: []wire.MountSpec{
				{Type: wire.MountBind, Source: "/host", Target: "/b", ReadOnly: true, MakeSource: true},
				{Type: wire.MountTmpfs, Target: "/t", Options: []string{"size=1m", "exec"}},
				{Type: wire.MountVolume, Source: "vol", Target: "/v"},
			},
		},
		Network: wire.ContainerNetwork{
			Mode: "front", PublishAll: true, DNS: []string{"9.9.9.9"}, DNSSearch: []string{"x"}, DNSOptions: []string{"y"}, ExtraHosts: []string{"h:1.2.3.4"},
			Publish: []wire.PublishPort{{Proto: "tcp", Port: 80, Host: "127.0.0.1", First: 8080, Last: 8080}, {Proto: "udp", Port: 53, First: 5000, Last: 5009}, {Proto: "udp", Port: 54}},
			Join:    map[string]wire.ConnectNetwork{},
		},
	}
	h := hostConfig(&want)
	settings.ShowInForce(h, &want.CreateContainer)
	got := CreateRequest{AutoRemove: h.AutoRemove, CreateContainer: wire.CreateContainer{Image: "lab:1"}}
	if _, err := settings.Read(&got.CreateContainer, h); err != nil {
		t.Fatal(err)
	}
	req := &container.CreateRequest{Config: &container.Config{}, HostConfig: h}
	var err error
	if got.Mounts, err = settings.Mounts(req.Config, h); err != nil {
		t.Fatal(err)
	}
	if got.Network, err = settings.Networks(req, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	want.Restart = got.Restart // one with AutoRemove is refused
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	want = CreateRequest{CreateContainer: wire.CreateContainer{Restart: &wire.Restart{Name: wire.RestartOnFailure, Max: 4}}}
	h = hostConfig(&want)
	settings.ShowInForce(h, &want.CreateContainer)
	if got, err := settings.Restart(h); err != nil || *got != *want.Restart {
		t.Errorf("%+v, %v", got, err)
	}
}
