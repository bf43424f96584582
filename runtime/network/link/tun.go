//go:build linux

package link

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TunPath is the device by which such interfaces are made.
const TunPath = "/dev/net/tun"

// Tun makes the interface name in the namespace ns, brings it up and makes it
// the way for all that the bridge does not know. Packets are read from and
// written to the file, one a call; the interface goes with the last descriptor
// of it. The caller closes the file.
func Tun(ns *os.File, name string, mtu int) (*os.File, error) {
	var tun *os.File
	err := In(ns, func() (err error) {
		fd, err := unix.Open(TunPath, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: TunPath, Err: err}
		}
		tun = os.NewFile(uintptr(fd), name)
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return fmt.Errorf("make interface %s: %w", name, os.NewSyscallError("ioctl TUNSETIFF", err))
		}
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		one, err := h.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		if err := h.LinkSetMTU(one, mtu); err != nil {
			return fmt.Errorf("MTU of %s: %w", name, err)
		}
		if err := h.LinkSetUp(one); err != nil {
			return fmt.Errorf("bring %s up: %w", name, err)
		}
		route := &netlink.Route{LinkIndex: one.Attrs().Index, Dst: everything(), Scope: netlink.SCOPE_LINK}
		if err := h.RouteReplace(route); err != nil {
			return fmt.Errorf("default route by %s: %w", name, err)
		}
		return nil
	})
	if err != nil && tun != nil {
		err = errors.Join(err, tun.Close())
		tun = nil
	}
	return tun, err
}
