//go:build linux

package applet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ping sends ICMP echo requests by the kind of socket that needs no capability
// (net.ipv4.ping_group_range, icmp(7)).
func ping(c Call) error {
	f := c.flags("[-c COUNT] [-W SECONDS] HOST")
	count := f.IntP("count", "c", 4, "requests")
	patience := f.IntP("timeout", "W", 5, "seconds to wait for an answer")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	to, err := net.ResolveIPAddr("ip4", args[0])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return fmt.Errorf("socket: %w (see net.ipv4.ping_group_range)", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(*patience)}); err != nil {
		return err
	}
	addr := &unix.SockaddrInet4{}
	copy(addr.Addr[:], to.IP.To4())
	got := 0
	for n := 1; n <= *count; n++ {
		request := make([]byte, 64)
		request[0] = 8 // echo request; the kernel fills in id and checksum
		binary.BigEndian.PutUint16(request[6:], uint16(n))
		at := time.Now()
		if err := unix.Sendto(fd, request, 0, addr); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		reply := make([]byte, 1500)
		size, _, err := unix.Recvfrom(fd, reply, 0)
		if errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		got++
		fmt.Fprintf(c.Stdout, "%d bytes from %s: seq=%d time=%.3f ms\n", size, to, n, float64(time.Since(at).Microseconds())/1000)
	}
	fmt.Fprintf(c.Stdout, "%d packets transmitted, %d received\n", *count, got)
	if got == 0 {
		return Status(1)
	}
	return nil
}
