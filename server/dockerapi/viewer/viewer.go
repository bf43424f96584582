// Package viewer carries bytes between a client of the Docker Engine API that took
// its connection over, and a process.
//
//	client ─ Conn ─▶ Stream ─▶ process ─▶ Stream ─ Muxed ─▶ client
package viewer

import (
	"bufio"
	"errors"
	"io"
	"net"
	"time"
)

// Chunk is a piece of output; Stream is 1 or 2 as file descriptors are.
type Chunk struct {
	Stream byte
	Data   []byte
}

// Stream is a process as its viewer has it. Next returns io.EOF at the end.
type Stream interface {
	TTY() bool
	// Skip is how many bytes of earlier output come first that nobody asked for.
	Skip() int64
	Next() (Chunk, error)
	io.Writer
	CloseWrite() error
	Close() error
}

// Conn is a viewer's connection that was taken over.
type Conn struct {
	net.Conn
	In   *bufio.Reader   // what the client sends
	Gone <-chan struct{} // closed when it is there no more
	Stop func()          // ends the watch for that
}

// Close ends the watch, then the connection.
func (v *Conn) Close() error {
	v.Stop()
	return v.Conn.Close()
}

// Wanted says which streams a viewer asked for.
type Wanted struct {
	Stdin, Stdout, Stderr bool
	CloseStdin            bool   // the process's when the viewer's ends
	Detach                []byte // keys that end the view of a terminal
}

// Carry carries bytes between a client and a process until one of them ends, or
// the client has typed the keys by which it leaves.
func Carry(s Stream, conn *Conn, out Muxed, w Wanted) (detached bool) {
	ended, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		defer s.Close() // the viewer has gone, or wants to: Next ends
		if w.Stdin {
			p := impatience(s, conn.Gone)
			err := feed(p, conn.In, w.Detach, s.TTY())
			p.end()
			detached = errors.Is(err, errDetached)
			if err != nil || !w.CloseStdin {
				return
			}
			_ = s.CloseWrite()
		}
		select { // all that it sent has been delivered by now
		case <-conn.Gone:
		case <-ended:
		}
	}()
	skip := s.Skip()
	for {
		chunk, err := s.Next()
		if err != nil {
			break
		}
		if n := min(skip, int64(len(chunk.Data))); n > 0 {
			chunk.Data, skip = chunk.Data[n:], skip-n
		}
		if len(chunk.Data) == 0 || chunk.Stream == 2 && !w.Stderr || chunk.Stream == 1 && !w.Stdout {
			continue
		}
		if out.Write(chunk.Stream, chunk.Data) != nil {
			break
		}
	}
	close(ended)
	conn.Close() // ends feed
	<-over
	return detached
}

// stuck is how long input waits for a process that takes none of it, once who
// sent it has gone.
const stuck = 2 * time.Second

// impatient is a process's input that is given up when its sender has gone and
// the process takes nothing: the viewer's descriptors go with it.
type impatient struct {
	Stream
	took, over chan struct{}
}

func impatience(s Stream, gone <-chan struct{}) *impatient {
	p := &impatient{s, make(chan struct{}, 1), make(chan struct{})}
	go func() {
		select {
		case <-gone:
		case <-p.over:
			return
		}
		late := time.NewTimer(stuck)
		defer late.Stop()
		for {
			select {
			case <-p.took:
				late.Reset(stuck)
			case <-late.C:
				s.Close() // Write ends
				return
			case <-p.over:
				return
			}
		}
	}()
	return p
}

func (p *impatient) Write(b []byte) (int, error) {
	n, err := p.Stream.Write(b)
	select {
	case p.took <- struct{}{}:
	default:
	}
	return n, err
}

// end says that all has been written.
func (p *impatient) end() { close(p.over) }

var errDetached = errors.New("detached")

// feed gives a process what its viewer types; nil is the end of that.
func feed(s io.Writer, in io.Reader, keys []byte, tty bool) error {
	buf := make([]byte, 32<<10)
	held := 0 // how many of the keys were typed
	for {
		n, err := in.Read(buf)
		data := buf[:n]
		if tty && len(keys) > 0 && n > 0 {
			var gone bool
			if data, held, gone = withoutKeys(data, keys, held); gone {
				return errDetached
			}
		}
		if len(data) > 0 {
			if _, err := s.Write(data); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
