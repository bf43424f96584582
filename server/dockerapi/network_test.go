//go:build linux

package dockerapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/network"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// oneNetwork is a service with one network, which refuses everything else.
type oneNetwork struct {
	refuse error
	asked  any
}

func (o *oneNetwork) List(context.Context) ([]wire.Network, error) {
	return []wire.Network{{ID: "abc123", Name: "front", Driver: "bridge", Subnet: "10.1.0.0/16", Gateway: "10.1.0.1", Labels: map[string]string{"a": "b"}}}, nil
}

func (o *oneNetwork) Get(ctx context.Context, ref string) (wire.Network, error) {
	list, _ := o.List(ctx)
	if ref != "front" && ref != "abc123" {
		return wire.Network{}, imagecore.NewError(imagecore.ErrNotFound, "network-not-found", "network "+ref+" not found")
	}
	list[0].Endpoints = []wire.Endpoint{{ID: "e1", Container: "c1", ContainerName: "web", Address: "10.1.0.2/16", MAC: "02:42:0a:01:00:02"}}
	return list[0], nil
}

func (o *oneNetwork) Create(_ context.Context, req wire.CreateNetwork) (wire.Network, error) {
	o.asked = req
	return wire.Network{ID: "new"}, o.refuse
}
func (o *oneNetwork) Remove(context.Context, string) error { return o.refuse }
func (o *oneNetwork) Prune(context.Context, func(wire.Network) bool) ([]string, error) {
	return []string{"front"}, nil
}

func (o *oneNetwork) Connect(_ context.Context, _ string, req wire.ConnectNetwork) error {
	o.asked = req
	return o.refuse
}
func (o *oneNetwork) Disconnect(context.Context, string, string) error { return o.refuse }

func TestNetworkRoutesAnswerAsDockerDoes(t *testing.T) {
	refuse := func(kind error, code, message string) error { return imagecore.NewError(kind, code, message) }
	for _, c := range []struct {
		method, path, body string
		refuse             error
		status             int
		words              string
	}{
		{"GET", "/networks", "", nil, 200, `"Subnet":"10.1.0.0/16"`},
		{"GET", `/networks?filters={"name":{"nt":true}}`, "", nil, 200, `"Name":"front"`},
		{"GET", `/networks?filters={"driver":["null"]}`, "", nil, 200, "[]"},
		{"GET", `/networks?filters={"type":["strange"]}`, "", nil, 400, "invalid filter 'type=strange'"},
		{"GET", "/networks/front", "", nil, 200, `"c1":{"Name":"web","EndpointID":"e1","MacAddress":"02:42:0a:01:00:02","IPv4Address":"10.1.0.2/16"`},
		{"GET", "/networks/x", "", nil, 404, "network x not found"},
		{"POST", "/networks/create", `{"Name":"n"}`, nil, 201, `"Id":"new"`},
		{"POST", "/networks/create", `{"Name":"n","EnableIPv6":true}`, nil, 400, "Network.EnableIPv6=true is not served"},
		{"POST", "/networks/create", `{"Name":"n"}`, refuse(imagecore.ErrExists, "network-exists", "network with name n already exists"), 409, "network with name n already exists"},
		{"POST", "/networks/create", `{"Name":"bridge"}`, refuse(imagecore.ErrConflict, "network-builtin", "x"), 403, "x"},
		{"DELETE", "/networks/front", "", nil, 204, ""},
		{"DELETE", "/networks/front", "", refuse(imagecore.ErrConflict, "network-in-use", "has active endpoints"), 403, "has active endpoints"},
		{"POST", "/networks/prune", "", nil, 200, `"NetworksDeleted":["front"]`},
		{"POST", "/networks/front/connect", `{"Container":"web"}`, nil, 200, ""},
		{"POST", "/networks/front/connect", `{"Container":"web","EndpointConfig":{"GwPriority":1}}`, nil, 400, "NetworkingConfig.front.GwPriority=1 is not served"},
		{"POST", "/networks/front/connect", `{"Container":"no"}`, refuse(imagecore.ErrNotFound, "container-not-found", "x"), 404, "No such container: no"},
		{"POST", "/networks/front/disconnect", `{"Container":"web"}`, refuse(imagecore.ErrConflict, "network-not-joined", "is not connected"), 403, "is not connected"},
	} {
		h := New(Deps{Networks: &oneNetwork{refuse: c.refuse}, Events: deaf{}, Log: slog.New(slog.DiscardHandler)})
		w := httptest.NewRecorder()
		var body io.Reader
		if c.body != "" {
			body = strings.NewReader(c.body)
		}
		h.ServeHTTP(w, asked(c.method, c.path, body))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.words) {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, w.Code, w.Body, c.status, c.words)
		}
	}
}

func TestNetworkCreateAndConnectPassOnWhatWasAsked(t *testing.T) {
	o := &oneNetwork{}
	h := New(Deps{Networks: o, Events: deaf{}, Log: slog.New(slog.DiscardHandler)})
	ask := func(path, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, asked("POST", path, strings.NewReader(body)))
		if w.Code >= 300 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	ask("/networks/create", `{"Name":"n","Driver":"bridge","Internal":true,"Attachable":true,"IPAM":{"Driver":"default","Config":[{"Subnet":"10.9.0.0/24","IPRange":"10.9.0.64/26","Gateway":"10.9.0.9"}]},"Labels":{"k":"v"}}`)
	want := any(wire.CreateNetwork{
		Name: "n", Driver: "bridge", Internal: true, Attachable: true, Subnet: "10.9.0.0/24", IPRange: "10.9.0.64/26", Gateway: "10.9.0.9", Labels: map[string]string{"k": "v"},
	})
	if diff := cmp.Diff(want, o.asked); diff != "" {
		t.Error(diff)
	}
	ask("/networks/n/connect", `{"Container":"web","EndpointConfig":{"Aliases":["a"],"IPAMConfig":{"IPv4Address":"10.9.0.70"},"MacAddress":"02:00:00:00:00:01"}}`)
	want = wire.ConnectNetwork{Container: "web", Aliases: []string{"a"}, Address: "10.9.0.70", MAC: "02:00:00:00:00:01"}
	if diff := cmp.Diff(want, o.asked); diff != "" {
		t.Error(diff)
	}
}

func TestInspectAndListShowPorts(t *testing.T) {
	d := Container{Container: wire.Container{Pid: 7}, Endpoints: []wire.Endpoint{{
		ID: "e", Network: "n", NetworkName: "bridge", Address: "172.17.0.2/16", Gateway: "172.17.0.1", MAC: "02:42:ac:11:00:02",
		Ports: []wire.PublishedPort{{Proto: "tcp", Port: 8000, Host: "127.0.0.1", HostPort: 9020}},
	}}}
	d.Network.Exposed = []string{"53/udp", "8000/tcp"}
	s := networkSettings(d)
	if b := s.Ports[network.MustParsePort("8000/tcp")]; len(b) != 1 || b[0].HostIP != netip.MustParseAddr("127.0.0.1") || b[0].HostPort != "9020" {
		t.Errorf("ports %v", s.Ports)
	}
	if b, is := s.Ports[network.MustParsePort("53/udp")]; !is || b != nil {
		t.Errorf("ports %v", s.Ports)
	}
	if e := s.Networks["bridge"]; e == nil || e.IPAddress != netip.MustParseAddr("172.17.0.2") || e.IPPrefixLen != 16 {
		t.Errorf("networks %v", s.Networks)
	}
	list := portSummaries(d)
	if len(list) != 2 || list[0].PublicPort != 9020 || list[1].PrivatePort != 53 {
		t.Errorf("docker ps shows %+v", list)
	}
	for want, is := range map[string]bool{"9020": true, "9000-9100/tcp": true, "9020/udp": false, "8000": false} {
		if publishes(list, want, true) != is {
			t.Errorf("filter publish=%s", want)
		}
	}
}

// deaf is a bus that nobody listens to.
type deaf struct{ Events }

func (deaf) Act(_, _, _ string, _ map[string]string) {}

// asked is a request as clients make it.
func asked(method, path string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, path, body)
	r.Header.Set("Content-Type", "application/json")
	return r
}
