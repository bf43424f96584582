//go:build linux

package networks_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/layerlab/layerlab/runtime/network/egress"
	"github.com/layerlab/layerlab/server/engine/networks"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

func publish(port, host uint16) wire.PublishPort {
	return wire.PublishPort{Proto: "tcp", Port: port, First: host, Last: host}
}

func TestNetworksAreWhatTheirCreatorAsked(t *testing.T) {
	l := newLab(t)
	first := l.create(wire.CreateNetwork{Name: "front"})
	if first.Subnet != "172.18.0.0/16" || first.Gateway != "172.18.0.1" {
		t.Errorf("the first pool beside the default network's: %+v", first)
	}
	own := l.create(wire.CreateNetwork{Name: "back", Subnet: "10.1.2.0/24", Gateway: "10.1.2.9", IPRange: "10.1.2.64/26", Labels: map[string]string{"a": "b"}})
	if own.Subnet != "10.1.2.0/24" || own.Gateway != "10.1.2.9" || own.IPRange != "10.1.2.64/26" || own.Labels["a"] != "b" {
		t.Errorf("%+v", own)
	}
	for _, c := range []struct {
		req         wire.CreateNetwork
		code, words string
	}{
		{wire.CreateNetwork{Name: "front"}, "network-exists", "network with name front already exists"},
		{wire.CreateNetwork{Name: "host"}, "network-builtin", "operation is not permitted on predefined host network"},
		{wire.CreateNetwork{Name: "a b"}, "bad-network", "invalid network name"},
		{wire.CreateNetwork{Name: "x", Driver: "overlay"}, "network-driver", "could not find plugin overlay"},
		{wire.CreateNetwork{Name: "x", Subnet: "10.1.0.0/16"}, "subnet-overlaps", "Pool overlaps"},
		{wire.CreateNetwork{Name: "x", Subnet: "10.9.0.1/16"}, "bad-network", "it should be 10.9.0.0/16"},
		{wire.CreateNetwork{Name: "x", Subnet: "10.9.0.0/31"}, "bad-network", "between /8 and /30"},
		{wire.CreateNetwork{Name: "x", Subnet: "fd00::/64"}, "bad-network", "only IPv4"},
		{wire.CreateNetwork{Name: "x", Gateway: "10.0.0.1"}, "bad-network", "needs a subnet"},
		{wire.CreateNetwork{Name: "x", Subnet: "10.9.0.0/24", Gateway: "10.8.0.1"}, "bad-network", "no matching subnet for gateway"},
		{wire.CreateNetwork{Name: "x", Subnet: "10.9.0.0/24", IPRange: "10.8.0.0/26"}, "bad-network", "does not lie in the subnet"},
	} {
		_, err := l.Create(t.Context(), c.req)
		refuses(t, err, c.code, c.words)
	}
	if n, err := l.Get(t.Context(), own.ID[:12]); err != nil || n.Name != "back" {
		t.Errorf("by the beginning of its id: %+v %v", n, err)
	}
	l.again(nil)
	if list, err := l.List(t.Context()); err != nil || len(list) != 5 {
		t.Errorf("after a restart: %d networks, %v", len(list), err)
	}
}

func TestAContainersPlaceInTheDefaultNetwork(t *testing.T) {
	l := newLab(t)
	l.mustUp("a", wire.ContainerNetwork{Publish: []wire.PublishPort{publish(80, 8080)}})
	l.mustUp("b", wire.ContainerNetwork{Exposed: []string{"53/udp", "80-81"}, PublishAll: true})
	l.has(
		"bridge",
		id("a")+" eth0 172.17.0.2/16 via 172.17.0.1 resolves 8080:80/tcp",
		id("b")+" eth0 172.17.0.3/16 via 172.17.0.1 resolves 40053:53/udp 40080:80/tcp 40081:81/tcp",
	)
	e := l.Endpoints(id("b"))
	if len(e) != 1 || e[0].MAC != "02:42:ac:11:00:03" || len(e[0].Ports) != 3 || e[0].Ports[0].Host != "127.0.0.1" || len(e[0].Names) != 0 {
		t.Errorf("%+v", e)
	}
	l.Detach(t.Context(), id("a"))
	l.has("bridge", id("b")+" eth0 172.17.0.3/16 via 172.17.0.1 resolves 40053:53/udp 40080:80/tcp 40081:81/tcp")
	l.mustUp("c", wire.ContainerNetwork{}) // the address is free again
	if e := l.Endpoints(id("c")); len(e) != 1 || e[0].Address != "172.17.0.2/16" {
		t.Errorf("%+v", e)
	}
	l.Forget(id("a"))
	if e := l.Endpoints(id("a")); len(e) != 0 {
		t.Errorf("forgotten, and still in %+v", e)
	}
}

func TestTakenPortsHaveDockersWordsAndLeaveNothing(t *testing.T) {
	l := newLab(t)
	l.mustUp("a", wire.ContainerNetwork{Publish: []wire.PublishPort{publish(80, 8080)}})
	err := l.up("b", wire.ContainerNetwork{Publish: []wire.PublishPort{publish(80, 8080)}})
	refuses(t, err, "port-taken", "driver failed programming external connectivity on endpoint b (")
	refuses(t, err, "port-taken", "Bind for 127.0.0.1:8080 failed: port is already allocated")
	if e := l.Endpoints(id("b")); len(e) != 1 || e[0].Address != "" {
		t.Errorf("it has a place all the same: %+v", e)
	}
	l.helpers.taken[9090] = true // by a program of the host
	err = l.up("c", wire.ContainerNetwork{Publish: []wire.PublishPort{publish(80, 9090)}})
	refuses(t, err, "port-taken", "failed to bind host port for 127.0.0.1:9090:172.17.0.3:80/tcp: address already in use")
	err = l.up("d", wire.ContainerNetwork{Publish: []wire.PublishPort{{Proto: "tcp", Port: 80, Host: "192.0.2.1"}}})
	refuses(t, err, "publish-address", "start it with --publish-address 192.0.2.1")
	err = l.up("e", wire.ContainerNetwork{Publish: []wire.PublishPort{{Proto: "sctp", Port: 80}}})
	refuses(t, err, "bad-port", "only tcp and udp")
	err = l.up("f", wire.ContainerNetwork{Mode: "host"})
	refuses(t, err, "host-network", "--allow-host-network")
	l.has("bridge", id("a")+" eth0 172.17.0.2/16 via 172.17.0.1 resolves 8080:80/tcp")
}

func TestNamesAreKnownInTheirNetworkOnly(t *testing.T) {
	l := newLab(t)
	front := l.create(wire.CreateNetwork{Name: "front"})
	l.mustUp("web", wire.ContainerNetwork{Mode: "front", Join: map[string]wire.ConnectNetwork{"front": {Aliases: []string{"shop"}}}})
	l.mustUp("db", wire.ContainerNetwork{Mode: "front"})
	known := l.helpers.of("front").names[front.ID].Forward
	for name, want := range map[string]string{"web": "172.18.0.2", "shop": "172.18.0.2", "web.front": "172.18.0.2", "db": "172.18.0.3", id("web")[:12]: "172.18.0.2"} {
		if list := known[name]; len(list) != 1 || list[0].String() != want {
			t.Errorf("%s is %v, want %s", name, list, want)
		}
	}
	l.Rename(t.Context(), id("db"), "store")
	if known := l.helpers.of("front").names[front.ID].Forward; len(known["store"]) != 1 || len(known["db"]) != 0 {
		t.Errorf("after a rename: %v", known)
	}
	if h := l.helpers.of("bridge"); h != nil {
		t.Error("a helper of the default network, which nobody is in")
	}
}

func TestConnectAndDisconnectWhileItRuns(t *testing.T) {
	l := newLab(t)
	l.create(wire.CreateNetwork{Name: "back", Subnet: "10.1.2.0/24"})
	l.mustUp("a", wire.ContainerNetwork{Publish: []wire.PublishPort{publish(80, 8080)}})
	if err := l.Connect(t.Context(), "back", wire.ConnectNetwork{Container: "a", Address: "10.1.2.7"}); err != nil {
		t.Fatal(err)
	}
	l.has("back", id("a")+" eth1 10.1.2.7/24")
	refuses(t, l.Connect(t.Context(), "back", wire.ConnectNetwork{Container: "a"}), "network-joined", "endpoint with name a already exists in network back")
	refuses(t, l.Connect(t.Context(), "nosuch", wire.ConnectNetwork{Container: "a"}), "network-not-found", "network nosuch not found")
	refuses(t, l.Connect(t.Context(), "back", wire.ConnectNetwork{Container: "nobody"}), "container-not-found", "nobody")
	refuses(t, l.Connect(t.Context(), "host", wire.ConnectNetwork{Container: "a"}), "network-conflict", "host network")
	refuses(t, l.Remove(t.Context(), "back"), "network-in-use", "network back has active endpoints")
	// What the default network had for it, the other one takes over.
	if err := l.Disconnect(t.Context(), "bridge", "a"); err != nil {
		t.Fatal(err)
	}
	l.has("back", id("a")+" eth1 10.1.2.7/24 via 10.1.2.1 resolves 8080:80/tcp")
	l.has("bridge")
	refuses(t, l.Disconnect(t.Context(), "bridge", "a"), "network-not-joined", "is not connected to network bridge")
	// One that is stopped is in it from its next start on.
	l.Detach(t.Context(), id("a"))
	if err := l.Connect(t.Context(), "bridge", wire.ConnectNetwork{Container: "a"}); err != nil {
		t.Fatal(err)
	}
	l.has("bridge")
	err := l.up("b", wire.ContainerNetwork{Mode: "back", Join: map[string]wire.ConnectNetwork{"back": {Address: "10.1.3.1"}}})
	refuses(t, err, "bad-network", "no configured subnet contains IP address 10.1.3.1")
}

func TestANetworkIsFullAndSaysSo(t *testing.T) {
	l := newLab(t)
	l.create(wire.CreateNetwork{Name: "small", Subnet: "10.1.2.0/30"})
	l.mustUp("a", wire.ContainerNetwork{Mode: "small"})
	refuses(t, l.up("b", wire.ContainerNetwork{Mode: "small"}), "no-address", "no available IPv4 addresses")
	err := l.up("c", wire.ContainerNetwork{Mode: "small", Join: map[string]wire.ConnectNetwork{"small": {Address: "10.1.2.2"}}})
	refuses(t, err, "address-taken", "Address already in use")
}

func TestAHelperThatDiesIsReplacedWithItsPorts(t *testing.T) {
	l := newLab(t)
	l.mustUp("a", wire.ContainerNetwork{PublishAll: true, Exposed: []string{"80/tcp"}})
	l.helpers.of("bridge").kill()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // the fake tells nobody
		if h := l.helpers.of("bridge"); h != nil && len(h.list()) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody replaces it")
		}
	}
	l.has("bridge", id("a")+" eth0 172.17.0.2/16 via 172.17.0.1 resolves 40080:80/tcp")
}

func TestARestartFindsWhatRunsAndForgetsWhatDoesNot(t *testing.T) {
	l := newLab(t)
	front := l.create(wire.CreateNetwork{Name: "front"})
	for _, name := range []string{"lives", "ended", "removed"} {
		l.mustUp(name, wire.ContainerNetwork{Mode: "front"})
	}
	l.again(nil)
	l.Recover(t.Context(), func(c string) bool { return c != id("removed") }, map[string]networks.Target{id("lives"): target})
	l.has("front", id("lives")+" eth0 172.18.0.2/16 via 172.18.0.1 resolves")
	if l.helpers.started != 1 {
		t.Errorf("%d helpers were started, one was there", l.helpers.started)
	}
	n, err := l.Get(t.Context(), front.ID)
	if err != nil || len(n.Endpoints) != 1 || n.Endpoints[0].ContainerName != "lives" {
		t.Errorf("%+v %v", n, err)
	}
	// Nobody is left: helper and pin go.
	l.again(nil)
	l.Recover(t.Context(), func(string) bool { return true }, nil)
	if h := l.helpers.of("front"); h != nil || !strings.Contains(strings.Join(l.helpers.cleaned, " "), "front") {
		t.Errorf("left: %v, cleaned %q", h, l.helpers.cleaned)
	}
}

func TestPruneKeepsWhatSomebodyIsToBeIn(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"used", "wished", "idle"} {
		l.create(wire.CreateNetwork{Name: name})
	}
	l.mustUp("a", wire.ContainerNetwork{Mode: "used"})
	if err := l.Add(t.Context(), networks.Container{ID: id("b"), Name: "b", Want: wire.ContainerNetwork{Mode: "wished"}}); err != nil {
		t.Fatal(err)
	}
	names, err := l.Prune(t.Context(), func(wire.Network) bool { return true })
	if err != nil || strings.Join(names, " ") != "idle" {
		t.Errorf("%q %v", names, err)
	}
	refuses(t, l.Remove(t.Context(), "bridge"), "network-builtin", "bridge is a pre-defined network and cannot be removed")
}

func TestTheWayOutIsWhatTheServerSays(t *testing.T) {
	l := newLab(t)
	l.create(wire.CreateNetwork{Name: "inner", Internal: true})
	l.mustUp("a", wire.ContainerNetwork{})
	if n, _ := l.Get(t.Context(), "bridge"); n.Egress || l.helpers.of("bridge").state.Network.Out {
		t.Error("a way out that nobody allowed")
	}
	living := map[string]networks.Target{id("a"): target}
	recover := func() { l.Recover(context.Background(), func(string) bool { return true }, living) }
	l.again(l.egress)
	recover()
	if n, _ := l.Get(t.Context(), "bridge"); !n.Egress || !l.helpers.of("bridge").state.Network.Out || len(l.egress.opened) != 1 {
		t.Errorf("no way out: %+v, opened %q", n, l.egress.opened)
	}
	l.mustUp("b", wire.ContainerNetwork{Mode: "inner"})
	if n, _ := l.Get(t.Context(), "inner"); n.Egress || l.helpers.of("inner").state.Network.Out || len(l.egress.opened) != 1 {
		t.Errorf("an internal network with a way out: %+v, opened %q", n, l.egress.opened)
	}
	refuses(t, l.up("c", wire.ContainerNetwork{DNS: []string{"10.0.0.1"}}), "dns-not-allowed", "10.0.0.1")
	// Refusals are told of the container whose address it is.
	l.egress.tell <- egress.Event{
		From: netip.MustParseAddr("172.17.0.2"), To: netip.MustParseAddr("10.0.0.9"), Port: 80, Proto: "tcp", Reason: egress.ReasonPrivate,
	}
	l.events.wait(t, wire.EventEgressRefused+" a0000000 map[address:10.0.0.9")
	// One that closes is opened anew.
	l.egress.close <- struct{}{}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // the fake tells nobody
		l.egress.mu.Lock()
		n := len(l.egress.opened)
		l.egress.mu.Unlock()
		if n == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it stays closed")
		}
	}
	l.again(nil)
	recover()
	if l.helpers.of("bridge").state.Network.Out || len(l.helpers.cut) == 0 {
		t.Errorf("a way out that was taken back is open: cut %q", l.helpers.cut)
	}
}

func TestHostsAndResolvAreDockers(t *testing.T) {
	l := newLab(t)
	want := wire.ContainerNetwork{
		ExtraHosts: []string{"there:10.1.1.1", "six:[fd00::1]"}, Domainname: "example.test",
		DNSSearch: []string{"a.test", "b.test"}, DNSOptions: []string{"ndots:2"},
	}
	if err := l.Add(t.Context(), networks.Container{ID: id("a"), Name: "a", Want: want}); err != nil {
		t.Fatal(err)
	}
	f, err := l.Prepare(t.Context(), id("a"), "box")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"127.0.0.1\tlocalhost\n", "10.1.1.1\tthere\n", "fd00::1\tsix\n", "172.17.0.2\tbox.example.test box\n"} {
		if !strings.Contains(f.Hosts, line) {
			t.Errorf("no %q in\n%s", line, f.Hosts)
		}
	}
	for _, line := range []string{"nameserver 127.0.0.11\n", "search a.test b.test\n", "options ndots:2\n"} {
		if !strings.Contains(f.Resolv, line) {
			t.Errorf("no %q in\n%s", line, f.Resolv)
		}
	}
	for _, bad := range []wire.ContainerNetwork{
		{DNSSearch: []string{"a\nnameserver 6.6.6.6"}},
		{Domainname: "x\n127.0.0.1 bank.example"},
	} {
		refuses(t, l.Add(t.Context(), networks.Container{ID: id("b"), Name: "b", Want: bad}), "bad-network", "one line, please")
	}
	refuses(t, l.Add(t.Context(), networks.Container{ID: id("b"), Name: "b", Want: wire.ContainerNetwork{ExtraHosts: []string{"x\n1.1.1.1 y:1.2.3.4"}}}), "bad-extra-host", "add-host")
	refuses(t, l.Add(t.Context(), networks.Container{ID: id("b"), Name: "b", Want: wire.ContainerNetwork{ExtraHosts: []string{"h:host-gateway"}}}), "no-host-gateway", "do not reach the host")
}
