//go:build linux

package console

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Streams, numbered as file descriptors are. A terminal has only Stdout.
const (
	Stdout byte = 1
	Stderr byte = 2
)

// readSize is how much one read may take; a pty gives at most 4 KiB at once, a
// pipe 64 KiB.
const readSize = 32 << 10 // bytes

// Host is the host's end of a process's streams. Its methods may be called
// from several goroutines at a time; Pump once.
type Host struct {
	tty    bool
	in     *os.File    // the master, or the write end of stdin; nil: no input
	out    [3]*os.File // by stream
	peer   int         // of a pty: the slave, held so that the master sees no hang-up between two openers; -1
	inMu   sync.Mutex  // one writer at a time, so that input of two viewers does not interleave within a write
	pumps  sync.WaitGroup
	active chan struct{} // holds a token after each read
	busy   atomic.Int32  // pumps that are within sink
	mu     sync.Mutex    // guards what follows, and peer
	closed bool
	ended  bool // in is closed
}

// PTY takes over a pty's master, which has to be non-blocking (os.File with a
// poller). Close closes it.
func PTY(master *os.File) (*Host, error) {
	h := &Host{tty: true, in: master, peer: -1, active: make(chan struct{}, 1)}
	h.out[Stdout] = master
	conn, err := master.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("pty: %w", err)
	}
	var peer uintptr
	var errno unix.Errno
	err = conn.Control(func(fd uintptr) {
		// Works whatever mount namespace the pty's devpts is in (ioctl_tty(2)).
		peer, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	})
	if errno != 0 {
		err = os.NewSyscallError("ioctl TIOCGPTPEER", errno)
	}
	if err != nil {
		return nil, fmt.Errorf("pty: %w", err)
	}
	h.peer = int(peer)
	return h, nil
}

// Child is the process's end of three pipes, for launch to duplicate. Close it
// once the process has its copies, else no end of output is ever seen.
type Child struct{ Stdin, Stdout, Stderr *os.File }

// Stdio returns the descriptors in order.
func (c *Child) Stdio() [3]int {
	return [3]int{int(c.Stdin.Fd()), int(c.Stdout.Fd()), int(c.Stderr.Fd())}
}

// Close closes the three.
func (c *Child) Close() {
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f != nil {
			f.Close()
		}
	}
}

// Pipes makes three pipes that belong to uid and gid, so that the process may
// open /dev/stdout again. Without stdin its standard input is /dev/null.
func Pipes(stdin bool, uid, gid int) (*Host, *Child, error) {
	h := &Host{peer: -1, active: make(chan struct{}, 1)}
	c := &Child{}
	err := func() (err error) {
		if stdin {
			c.Stdin, h.in, err = pipe(uid, gid, false)
		} else {
			c.Stdin, err = os.Open(os.DevNull)
		}
		if err != nil {
			return err
		}
		if h.out[Stdout], c.Stdout, err = pipe(uid, gid, true); err != nil {
			return err
		}
		h.out[Stderr], c.Stderr, err = pipe(uid, gid, true)
		return err
	}()
	if err != nil {
		h.Close()
		c.Close()
		return nil, nil, fmt.Errorf("pipes: %w", err)
	}
	return h, c, nil
}

// pipe returns a pipe's two ends. Only the host's end is non-blocking: the flag
// belongs to the open file, and programs don't expect it on their stdio.
func pipe(uid, gid int, hostReads bool) (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	host := fds[1]
	if hostReads {
		host = fds[0]
	}
	err = unix.SetNonblock(host, true)
	if err == nil {
		err = unix.Fchown(host, uid, gid)
	}
	if err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("set up pipe", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// TTY says whether this is a terminal.
func (h *Host) TTY() bool { return h.tty }

// Pump reads what the process writes and calls sink with it, until the end of
// output or Close. It returns at once; sink is called from one goroutine per
// stream and may keep the process waiting, but not the bytes: they are reused.
func (h *Host) Pump(sink func(stream byte, p []byte)) {
	for stream, f := range h.out {
		if f == nil {
			continue
		}
		h.pumps.Go(func() {
			buf := make([]byte, readSize)
			for {
				n, err := f.Read(buf)
				if n > 0 {
					select {
					case h.active <- struct{}{}:
					default:
					}
					h.busy.Add(1)
					sink(byte(stream), buf[:n])
					h.busy.Add(-1)
				}
				if err != nil { // EOF, EIO when the last slave is closed, or Close
					return
				}
			}
		})
	}
}

// Finish is called when the process has ended: it waits until what it wrote
// has come through. Children that it left behind may hold the streams open for
// ever, so it also returns when nothing came for `quiet`, and after `most`
// at the latest. It closes the host.
func (h *Host) Finish(quiet, most time.Duration) {
	h.dropPeer()
	done := make(chan struct{})
	go func() {
		h.pumps.Wait()
		close(done)
	}()
	end := time.NewTimer(most)
	defer end.Stop()
	idle := time.NewTimer(quiet)
	defer idle.Stop()
wait:
	for {
		select {
		case <-done:
			break wait
		case <-h.active:
			idle.Reset(quiet)
		case <-idle.C:
			if h.busy.Load() == 0 {
				break wait
			}
			idle.Reset(quiet) // it is the sink that is slow
		case <-end.C:
			break wait
		}
	}
	h.Close()
	<-done
}

func (h *Host) dropPeer() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peer >= 0 {
		unix.Close(h.peer)
		h.peer = -1
	}
}

// ErrNoInput is what Write and CloseInput return where the process has no
// standard input, or no longer.
var ErrNoInput = errors.New("the process takes no input")

// Write gives the process input; it waits while the process does not read.
func (h *Host) Write(p []byte) (int, error) {
	h.inMu.Lock()
	defer h.inMu.Unlock()
	if h.in == nil {
		return 0, ErrNoInput
	}
	n, err := h.in.Write(p)
	if errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EPIPE) {
		return n, ErrNoInput
	}
	return n, err
}

// CloseInput ends the standard input of a process without a terminal; with one
// it does nothing, since a terminal's input ends by Ctrl-D.
func (h *Host) CloseInput() error {
	if h.tty {
		return nil
	}
	h.inMu.Lock() // what was written before goes in first
	defer h.inMu.Unlock()
	return h.endInput()
}

func (h *Host) endInput() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.in == nil || h.ended {
		return ErrNoInput
	}
	h.ended = true
	return h.in.Close()
}

// Resize tells the terminal's size in characters; the kernel sends SIGWINCH.
func (h *Host) Resize(cols, rows uint16) error {
	if !h.tty {
		return errors.New("resize: the process has no terminal")
	}
	conn, err := h.out[Stdout].SyscallConn()
	if err != nil {
		return fmt.Errorf("resize: %w", err)
	}
	var ioctl error
	err = conn.Control(func(fd uintptr) {
		ioctl = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	if err = errors.Join(err, ioctl); err != nil {
		return fmt.Errorf("resize to %d×%d: %w", cols, rows, err)
	}
	return nil
}

// Close ends the streams: pumps return, a process that still reads sees the
// end of its input, one on a terminal gets SIGHUP. It may be called again.
func (h *Host) Close() {
	h.dropPeer()
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return
	}
	h.endInput() // without inMu: a Write that waits holds it, and closing wakes it
	for _, f := range h.out {
		if f != nil {
			f.Close()
		}
	}
}
