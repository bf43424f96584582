//go:build linux

package applet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// nc connects standard input and output with a port, or waits for who connects.
func nc(c Call) error {
	f := c.flags("[-u] [-w SECONDS] HOST PORT | -l [-u] [-e] -p PORT")
	udp := f.BoolP("udp", "u", false, "datagrams")
	listen := f.BoolP("listen", "l", false, "wait for one who connects")
	port := f.StringP("port", "p", "", "port to wait on")
	limit := f.IntP("wait", "w", 0, "seconds without a word before it ends")
	echo := f.BoolP("echo", "e", false, "with -l: send everybody back what they say, for ever")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	kind := "tcp"
	if *udp {
		kind = "udp"
	}
	if *listen {
		return wait(c, kind, ":"+*port, *echo)
	}
	if len(args) != 2 {
		return usageError{errors.New("host and port are needed, see --help")}
	}
	conn, err := net.DialTimeout(kind, net.JoinHostPort(args[0], args[1]), 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	return talk(c, conn, time.Duration(*limit)*time.Second)
}

// talk goes on until the other side has no more to say.
func talk(c Call, conn net.Conn, quiet time.Duration) error {
	go func() {
		_, _ = io.Copy(conn, c.Stdin) // the end is the reader's to notice
		if w, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		if quiet > 0 {
			conn.SetReadDeadline(time.Now().Add(quiet))
		}
		n, err := conn.Read(buf)
		if _, writeErr := c.Stdout.Write(buf[:n]); writeErr != nil {
			return writeErr
		}
		switch {
		case err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
	}
}

func wait(c Call, kind, at string, echo bool) error {
	if kind == "udp" {
		conn, err := net.ListenPacket("udp", at)
		if err != nil {
			return err
		}
		defer conn.Close()
		buf := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return err
			}
			if !echo {
				_, err := c.Stdout.Write(buf[:n])
				return err
			}
			if _, err := conn.WriteTo(buf[:n], from); err != nil {
				c.complain(err)
			}
		}
	}
	l, err := net.Listen(kind, at)
	if err != nil {
		return err
	}
	defer l.Close()
	var talks sync.WaitGroup
	defer talks.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if !echo {
			defer conn.Close()
			return talk(c, conn, 0)
		}
		talks.Go(func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
			_ = conn.(*net.TCPConn).CloseWrite()
		})
	}
}

// nslookup asks for the addresses of a name, or the name of an address, as
// programs do: by /etc/hosts and the resolver of /etc/resolv.conf.
func nslookup(c Call) error {
	f := c.flags("NAME | ADDRESS")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r := &net.Resolver{PreferGo: true}
	if net.ParseIP(args[0]) != nil {
		names, err := r.LookupAddr(ctx, args[0])
		if err != nil {
			return err
		}
		for _, n := range names {
			fmt.Fprintf(c.Stdout, "Address: %s\tName: %s\n", args[0], n)
		}
		return nil
	}
	list, err := r.LookupIPAddr(ctx, args[0])
	if err != nil {
		return err
	}
	for _, a := range list {
		fmt.Fprintf(c.Stdout, "Name: %s\tAddress: %s\n", args[0], a)
	}
	return nil
}
