//go:build linux

package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Bridge is the name of a router's bridge, in its own namespace.
const Bridge = "br0"

// Plug is one container's interface.
type Plug struct {
	Router    string // name in the router's namespace, 15 bytes at most
	Interface string // name in the container: "eth0"
	MAC       net.HardwareAddr
	Address   netip.Prefix // of the container, with the network's length
	Gateway   netip.Addr   // its default route; invalid: none
	MTU       int          // bytes; 0: the kernel's default
}

// Router makes the bridge in the namespace that the caller stands in, and gives
// it the address. It does nothing that is done already.
func Router(address netip.Prefix, mtu int) error {
	if err := Loopback(); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Flags = Bridge, net.FlagUp
	if mtu > 0 {
		attrs.MTU = mtu
	}
	// A fixed address: a bridge without one takes its first port's, and changes
	// it when that port goes.
	attrs.HardwareAddr = MAC(address.Addr())
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make bridge: %w", err)
	}
	made, err := netlink.LinkByName(Bridge)
	if err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	if err := netlink.AddrAdd(made, &netlink.Addr{IPNet: ipNet(address)}); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("address %s of the bridge: %w", address, err)
	}
	return forward()
}

// Loopback brings lo up in the namespace that the caller stands in.
func Loopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// Connect plugs a container in: the caller stands in the router's namespace, ns
// is the container's. A plug of that name which leads there already is set up
// anew; one that leads elsewhere is replaced.
func Connect(p Plug, ns *os.File) error {
	bridge, err := netlink.LinkByName(Bridge)
	if err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	if _, err := netlink.LinkByName(p.Router); err == nil {
		if err := setUp(p, ns); err == nil {
			return nil
		}
		if err := Disconnect(p.Router); err != nil {
			return err
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex, attrs.Flags = p.Router, bridge.Attrs().Index, net.FlagUp
	if p.MTU > 0 {
		attrs.MTU = p.MTU
	}
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: p.Interface, PeerHardwareAddr: p.MAC,
		PeerNamespace: netlink.NsFd(ns.Fd()), PeerMTU: uint32(max(p.MTU, 0)),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("make the pair of interfaces %s and %s: %w", p.Router, p.Interface, err)
	}
	if err := setUp(p, ns); err != nil {
		return errors.Join(err, Disconnect(p.Router))
	}
	return nil
}

// setUp does the container's side.
func setUp(p Plug, ns *os.File) error {
	return In(ns, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		one, err := h.LinkByName(p.Interface)
		if err != nil {
			return fmt.Errorf("find %s in the container: %w", p.Interface, err)
		}
		if one.Attrs().HardwareAddr.String() != p.MAC.String() {
			return fmt.Errorf("%s in the container is another interface", p.Interface)
		}
		if err := h.AddrAdd(one, &netlink.Addr{IPNet: ipNet(p.Address)}); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("address %s: %w", p.Address, err)
		}
		if err := h.LinkSetUp(one); err != nil {
			return fmt.Errorf("bring %s up: %w", p.Interface, err)
		}
		if !p.Gateway.IsValid() {
			return nil
		}
		route := &netlink.Route{LinkIndex: one.Attrs().Index, Gw: p.Gateway.AsSlice()}
		if err := h.RouteReplace(route); err != nil {
			return fmt.Errorf("default route by %s: %w", p.Gateway, err)
		}
		return nil
	})
}

// Disconnect unplugs: both ends of the pair go. No such plug is no error, since
// it goes with the container's namespace.
func Disconnect(router string) error {
	one, err := netlink.LinkByName(router)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(one)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove interface %s: %w", router, err)
	}
	return nil
}

// Plugs lists the names of what is plugged into the router's bridge.
func Plugs() ([]string, error) {
	list, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range list {
		if l.Type() == "veth" {
			names = append(names, l.Attrs().Name)
		}
	}
	return names, nil
}

// MAC is the hardware address that goes with an IPv4 address, as Docker chooses
// it: 02:42 and the four bytes. It is known before the interface is made, and
// the same at every start.
func MAC(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0x42, b[0], b[1], b[2], b[3]}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// everything is the destination of a default route.
func everything() *net.IPNet { return &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)} }

// nowhere is the metric of the route for what has no other: the last one.
const nowhere = 4096

// forward lets the router pass packets on, and answers those for which there is
// no way by "prohibited": programs in a container fail at once, and do not wait.
func forward() error {
	// The files are those of the namespace of who opens them (proc_sys_net(5)).
	// Without its limit of one answer a second (icmp(7)) each program learns at
	// once.
	for name, value := range map[string]string{"ip_forward": "1", "icmp_ratelimit": "0"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("forwarding in the router: %w", err)
		}
	}
	route := &netlink.Route{Dst: everything(), Type: unix.RTN_PROHIBIT, Priority: nowhere}
	if err := netlink.RouteAdd(route); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("route to nowhere: %w", err)
	}
	return nil
}
