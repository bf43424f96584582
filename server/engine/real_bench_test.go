//go:build linux

package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/layerlab/layerlab/server/labapi/wire"
)

// BenchmarkKeystrokeToEcho types a character and waits until the container's
// terminal has echoed it to the page.
func BenchmarkKeystrokeToEcho(b *testing.B) {
	l := newRealLab(b)
	s := l.open(l.run(wire.CreateContainer{TTY: true}).ID)
	s.until("ready\r\n")
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		s.typeLine("x")
		if kind, data, err := s.conn.ReadMessage(); err != nil || kind != websocket.BinaryMessage || string(data) != "x" {
			b.Fatalf("echo %q (type %d), %v", data, kind, err)
		}
		took = append(took, time.Since(began))
		if len(took)%1000 == 0 { // a terminal's line ends at 4,096 bytes
			s.typeLine("\n")
			s.until("unknown\r\n")
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkFloodThenCtrlC interrupts endless output that a page reads, and
// waits for the end of the program.
func BenchmarkFloodThenCtrlC(b *testing.B) {
	l := newRealLab(b)
	c := l.run(wire.CreateContainer{TTY: true})
	l.open(c.ID).until("ready")
	for b.Loop() {
		b.StopTimer()
		ex, err := l.Exec(b.Context(), c.ID, wire.ExecContainer{Command: []string{"lab", "yes"}, TTY: true})
		if err != nil {
			b.Fatal(err)
		}
		s := l.open(ex.ID)
		s.until("yyyy")
		b.StartTimer()
		s.typeLine("\x03")
		s.until("")
	}
}

// BenchmarkStart starts a container of a command that ends at once, and waits
// for its end.
func BenchmarkStart(b *testing.B) {
	l := newRealLab(b)
	c, err := l.Create(b.Context(), wire.CreateContainer{Image: "lab:1", Command: []string{"lab", "echo"}})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := l.Start(b.Context(), c.ID); err != nil {
			b.Fatal(err)
		}
		l.end(c.ID)
	}
}
