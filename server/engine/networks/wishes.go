//go:build linux

package networks

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// ports makes of a container's wishes the ports that its endpoint publishes, in
// a fixed order: those with a port of the host first, so that a random one does
// not take it.
func ports(w wire.ContainerNetwork, publish netip.Addr) ([]network.Port, error) {
	var list []network.Port
	published := map[string]bool{}
	for _, p := range w.Publish {
		host := publish
		if p.Host != "" {
			var err error
			if host, err = hostAddress(p.Host, publish); err != nil {
				return nil, err
			}
		}
		published[key(p.Proto, p.Port)] = true
		list = append(list, network.Port{Proto: p.Proto, Port: p.Port, Host: host, First: p.First, Last: max(p.First, p.Last)})
	}
	if w.PublishAll {
		exposed, err := expand(w.Exposed)
		if err != nil {
			return nil, err
		}
		for _, p := range exposed {
			if !published[key(p.Proto, p.Port)] {
				p.Host = publish
				list = append(list, p)
			}
		}
	}
	for _, p := range list {
		if p.Proto != "tcp" && p.Proto != "udp" {
			return nil, badPort("port %d/%s: only tcp and udp are published", p.Port, p.Proto)
		}
		if p.Port == 0 {
			return nil, badPort("invalid port specification: 0/%s", p.Proto)
		}
	}
	slices.SortStableFunc(list, func(a, b network.Port) int {
		return cmp.Or(boolean(a.First == 0)-boolean(b.First == 0), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return list, nil
}

func key(proto string, port uint16) string { return strconv.Itoa(int(port)) + "/" + proto }

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func badPort(format string, args ...any) error {
	return imagecore.NewError(imagecore.ErrInvalid, "bad-port", fmt.Sprintf(format, args...))
}

// hostAddress reads an address that a client wants a port bound to: the
// host's own addresses are its owner's to give away.
func hostAddress(text string, publish netip.Addr) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, badPort("invalid IP address: %s", text)
	}
	a = a.Unmap()
	if a.IsLoopback() || a == publish || publish.IsUnspecified() {
		return a, nil
	}
	return a, imagecore.NewError(imagecore.ErrUnsupported, "publish-address",
		fmt.Sprintf("publish on %s: this server publishes on %s alone: start it with --publish-address %s", a, publish, a), "address", a.String())
}

// expand reads exposed ports: "80/tcp", "53" or "8000-8010/udp".
func expand(exposed []string) ([]network.Port, error) {
	var list []network.Port
	for _, e := range exposed {
		span, proto, ok := strings.Cut(e, "/")
		if !ok {
			proto = "tcp"
		}
		from, to, ranged := strings.Cut(span, "-")
		if !ranged {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err != nil || err2 != nil || first == 0 || last < first {
			return nil, badPort("invalid port specification: %q", e)
		}
		for n := first; n <= last; n++ {
			list = append(list, network.Port{Proto: strings.ToLower(proto), Port: uint16(n)})
		}
	}
	return list, nil
}
