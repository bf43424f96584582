package settings

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

func TestWhatAContainerWishesOfNetworks(t *testing.T) {
	raw := `{"Image":"a","MacAddress":"02:00:00:00:00:09","Domainname":"example.org","ExposedPorts":{"80/tcp":{},"53/udp":{}},
		"HostConfig":{"NetworkMode":"front","PublishAllPorts":true,"DNS":["9.9.9.9"],"DNSSearch":["x"],"DNSOptions":["ndots:1"],"ExtraHosts":["h:10.0.0.1"],
			"PortBindings":{"8000/tcp":[{"HostIp":"","HostPort":"9020"}],"53/udp":[{"HostIp":"127.0.0.2","HostPort":"5300-5310"},{"HostPort":""}]}},
		"NetworkingConfig":{"EndpointsConfig":{"front":{"Aliases":["web"]}}}}`
	var req container.CreateRequest
	if err := json.Unmarshal([]byte(raw), &req); err != nil {
		t.Fatal(err)
	}
	got, err := Networks(&req, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := wire.ContainerNetwork{
		Mode: "front", PublishAll: true, Exposed: []string{"53/udp", "80/tcp"}, Domainname: "example.org",
		DNS: []string{"9.9.9.9"}, DNSSearch: []string{"x"}, DNSOptions: []string{"ndots:1"}, ExtraHosts: []string{"h:10.0.0.1"},
		Join: map[string]wire.ConnectNetwork{"front": {Aliases: []string{"web"}, MAC: "02:00:00:00:00:09"}},
		Publish: []wire.PublishPort{
			{Proto: "tcp", Port: 8000, First: 9020, Last: 9020},
			{Proto: "udp", Port: 53},
			{Proto: "udp", Port: 53, Host: "127.0.0.2", First: 5300, Last: 5310},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"x", "70000", "9-8"} {
		if _, err := publish(network.PortMap{network.MustParsePort("80/tcp"): {{HostPort: bad}}}); err == nil {
			t.Errorf("host port %q passes", bad)
		}
	}
}

func TestWhatANetworkCannotBe(t *testing.T) {
	for want, req := range map[string]network.CreateRequest{
		"IPv4 or IPv6 must be enabled":                 {EnableIPv4: new(bool)},
		"one subnet for each network is served, not 2": {IPAM: &network.IPAM{Config: make([]network.IPAMConfig, 2)}},
	} {
		if _, err := NewNetwork(&req); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
