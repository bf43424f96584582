package proxy

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Exchange carries datagrams both ways between two connected sockets until
// neither has spoken for idle, and closes both.
func Exchange(a, b net.Conn, idle time.Duration) {
	late := time.AfterFunc(idle, func() {
		a.Close()
		b.Close()
	})
	defer late.Stop()
	one := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if errors.Is(err, syscall.ECONNREFUSED) {
				continue // nobody listens yet: the kernel tells by ICMP, once a datagram
			}
			if err != nil {
				return
			}
			late.Reset(idle)
			_, _ = to.Write(buf[:n]) // a datagram may be lost
		}
	}
	var back sync.WaitGroup
	back.Go(func() { one(a, b) })
	one(b, a)
	back.Wait()
}
