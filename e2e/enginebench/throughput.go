//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/layerlab/layerlab/runtime/network/link"
)

// volume is how much is sent for one figure, in bytes.
const volume = 1 << 30

// throughput compares what goes through a published port: our helper, dockerd's
// userland proxy, and the wire without any, which is the bound.
func (e *engines) throughput() []row {
	subjects := append(e.pair(published), subject{name: "the bridge and veth alone", figure: e.bare})
	return []row{{
		work: "1 GiB into a published port", unit: "MB/s", prepare: e.begin, subjects: subjects,
		goal: "≥ dockerd's userland proxy", met: func(f []float64) bool { return f[0] >= f[1] },
	}}
}

// sink is a container that reads what it is sent.
func sink() settings {
	return settings{
		Image: sample, Cmd: []string{"sh", "-c", "while true; do nc -l -p 8000 >/dev/null; done"},
		ExposedPorts: map[string]any{"8000/tcp": map[string]any{}},
		HostConfig:   map[string]any{"PortBindings": map[string]any{"8000/tcp": []map[string]string{{"HostIp": "127.0.0.1", "HostPort": ""}}}},
	}
}

// network is what inspect says of a container's.
type network struct {
	NetworkSettings struct {
		IPAddress string
		Ports     map[string][]struct{ HostIP, HostPort string }
	}
}

func published(ctx context.Context, e *engine, _ string) (float64, error) {
	id, err := e.up(ctx, sink())
	if err != nil {
		return 0, err
	}
	var n network
	if err := e.call(ctx, "GET", "/containers/"+id+"/json", nil, &n); err != nil {
		return 0, err
	}
	ports := n.NetworkSettings.Ports["8000/tcp"]
	if len(ports) == 0 {
		return 0, fmt.Errorf("%s: nothing is published", e.name)
	}
	speed, err := send("127.0.0.1:"+ports[0].HostPort, func(f func() error) error { return f() })
	return speed, errors.Join(err, e.remove(ctx, id))
}

// bare connects from the router's namespace, where our helper stands.
func (e *engines) bare(ctx context.Context, _ string) (float64, error) {
	id, err := e.ours.up(ctx, sink())
	if err != nil {
		return 0, err
	}
	var n network
	if err := e.ours.call(ctx, "GET", "/containers/"+id+"/json", nil, &n); err != nil {
		return 0, err
	}
	pins, err := filepath.Glob(filepath.Join(e.ours.run, "n", "*.ns"))
	if err != nil || len(pins) != 1 {
		return 0, fmt.Errorf("pins of networks: %v %w", pins, err)
	}
	ns, err := os.Open(pins[0])
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	speed, err := send(n.NetworkSettings.IPAddress+":8000", func(f func() error) error { return link.In(ns, f) })
	return speed, errors.Join(err, e.ours.remove(ctx, id))
}

// send returns MB/s from the first byte to the reader's end.
func send(address string, in func(func() error) error) (float64, error) {
	buf := make([]byte, 1<<20)
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) { // until somebody listens
		var conn net.Conn
		err := in(func() (err error) {
			conn, err = net.DialTimeout("tcp", address, 10*time.Second)
			return err
		})
		if err == nil {
			var d time.Duration
			if d, err = push(conn.(*net.TCPConn), buf); err == nil {
				return volume / d.Seconds() / 1e6, nil
			}
		}
		if time.Now().After(late) {
			return 0, err
		}
	}
}

func push(conn *net.TCPConn, buf []byte) (time.Duration, error) {
	defer conn.Close()
	begin := time.Now()
	for sent := 0; sent < volume; sent += len(buf) {
		if _, err := conn.Write(buf); err != nil {
			return 0, err
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return 0, err
	}
	// The reader ends when it has everything.
	if n, err := conn.Read(buf); n != 0 || err == nil {
		return 0, fmt.Errorf("an answer of %d bytes: %w", n, err)
	}
	return time.Since(begin), nil
}
