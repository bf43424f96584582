//go:build linux

package networks

import (
	"fmt"
	"net/netip"
	"sort"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/runtime/network"
	"github.com/layerlab/layerlab/runtime/network/names"
	"github.com/layerlab/layerlab/server/labapi/wire"
)

// Files are what a container's /etc holds of its networks.
type Files struct{ Hosts, Resolv string }

// hosts is /etc/hosts: what Docker writes there.
func hosts(extra []string, own []netip.Addr, hostname, domain string) string {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	for _, e := range extra {
		if name, address, err := extraHost(e); err == nil {
			b.WriteString(address + "\t" + name + "\n")
		}
	}
	called := hostname
	if domain != "" {
		called = hostname + "." + domain + " " + hostname
	}
	for _, a := range own {
		b.WriteString(a.String() + "\t" + called + "\n")
	}
	if len(own) == 0 {
		b.WriteString("127.0.1.1\t" + called + "\n")
	}
	return b.String()
}

// extraHost reads "name:address" or "name=address".
func extraHost(text string) (name, address string, err error) {
	name, address, ok := strings.Cut(text, ":")
	if n, a, eq := strings.Cut(text, "="); eq && (!ok || len(n) < len(name)) {
		name, address, ok = n, a, true
	}
	address = strings.Trim(address, "[]")
	if address == "host-gateway" {
		return "", "", imagecore.NewError(imagecore.ErrUnsupported, "no-host-gateway", "host-gateway: containers do not reach the host", "host", text)
	}
	if _, parseErr := netip.ParseAddr(address); !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || parseErr != nil {
		return "", "", imagecore.NewError(imagecore.ErrInvalid, "bad-extra-host", fmt.Sprintf("bad format for add-host: %q", text), "host", text)
	}
	return name, address, nil
}

// resolv is /etc/resolv.conf of a container that has a network: it asks the
// network's helper. options take the place of the default.
func resolv(search, options []string) string {
	var b strings.Builder
	b.WriteString("# answered by layerlab: names of the network's containers, others where there is a way out\n")
	b.WriteString("nameserver " + names.Address().Addr().String() + "\n")
	if len(search) > 0 && (len(search) > 1 || search[0] != ".") {
		b.WriteString("search " + strings.Join(search, " ") + "\n")
	}
	if len(options) == 0 {
		options = []string{"ndots:0"}
	}
	b.WriteString("options " + strings.Join(options, " ") + "\n")
	return b.String()
}

// noResolv is that of a container without a network.
const noResolv = "# no network but this container's own: no name server\n"

// checkLines refuses what would add lines of its own to these files.
func checkLines(w wire.ContainerNetwork) error {
	for _, list := range [][]string{w.DNSSearch, w.DNSOptions, {w.Domainname}} {
		for _, text := range list {
			if strings.ContainsAny(text, "\r\n\x00") {
				return badNetwork("%q: one line, please", text)
			}
		}
	}
	for _, text := range w.DNS {
		if _, err := netip.ParseAddr(text); err != nil {
			return badNetwork("IP address is not correctly formatted: %s", text)
		}
	}
	for _, text := range w.ExtraHosts {
		if _, _, err := extraHost(text); err != nil {
			return err
		}
	}
	return nil
}

// namesOf are the names under which a network's containers find this one:
// Docker's, and in its order.
func namesOf(m *memberRecord, c wire.ConnectNetwork) []string {
	list := []string{m.Name}
	add := func(name string) {
		for _, n := range list {
			if n == name {
				return
			}
		}
		if name != "" {
			list = append(list, name)
		}
	}
	for _, a := range c.Aliases {
		add(a)
	}
	add(m.ID[:min(12, len(m.ID))])
	add(m.Host)
	return list
}

// zone is what the containers of a network are called in it, each by its names
// alone and with the network's name behind.
func zone(n *netRecord, members []*memberRecord) network.Zone {
	z := network.Zone{Forward: map[string][]netip.Addr{}, Reverse: map[netip.Addr]string{}}
	sort.Slice(members, func(i, j int) bool { return members[i].ID < members[j].ID })
	for _, m := range members {
		p, here := m.Places[n.ID]
		if !here {
			continue
		}
		z.Reverse[p.Address] = m.Name + "." + n.Name
		for _, name := range namesOf(m, m.Joined[n.ID]) {
			name = strings.ToLower(name)
			for _, full := range []string{name, name + "." + strings.ToLower(n.Name)} {
				z.Forward[full] = append(z.Forward[full], p.Address)
			}
		}
	}
	return z
}

// zones are those that the helper of one network needs: its own, and those of
// the other networks of containers whose resolver it has.
func zones(home string, nets map[string]*netRecord, members []*memberRecord, resolvesAt func(*memberRecord) string) network.Names {
	all := network.Names{}
	need := map[string]bool{home: true}
	for _, m := range members {
		if resolvesAt(m) == home {
			for id := range m.Places {
				need[id] = true
			}
		}
	}
	for id := range need {
		if n := nets[id]; n != nil && n.named() {
			all[id] = zone(n, members)
		}
	}
	return all
}
