//go:build linux

package watch

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	maxNamed   = 20_000 // paths of which the last writer is kept
	maxWriters = 1024   // processes whose names are kept beyond their end
	first      = -15    // the nice value of who reads names
)

const named = unix.FAN_CREATE | unix.FAN_DELETE | unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO |
	unix.FAN_MODIFY | unix.FAN_ATTRIB | unix.FAN_ONDIR

// Process is one that wrote something.
type Process struct {
	Host   int    // its number on the host
	Inside int    // in its own pid namespace; 0 where it had ended before it was looked at
	Name   string // as the kernel keeps it, 15 bytes at most; "" likewise
}

// Writers knows for each path of an upper which process touched it last. It is
// safe for concurrent use.
//
// It marks the whole file system that the upper lies on, which must be the
// upper's own (package quota): on the host's disk it would be told of
// everything that anybody writes. The kernel names the process by its number;
// the name behind it is read at once, so that only processes that end within
// less than a millisecond stay without one. Writes through a mapping raise no
// event, nor do, on older kernels, those that overlayfs makes into files that
// are there already. It is bounded to the 20,000 paths that were written last.
//
// Sources: fanotify(7), fanotify_init(2) FAN_REPORT_DFID_NAME and
// FAN_REPORT_PIDFD (Linux 5.15), open_by_handle_at(2).
type Writers struct {
	root  *os.File // of the file system, to find folders by their handles
	upper string   // in it
	fd    int      // of events, which do not block
	stop  int      // an eventfd(2) that ends the waiting
	done  chan struct{}

	mu     sync.Mutex
	closed bool
	buf    []byte
	count  uint64
	last   map[string]writing // by path in the upper, without a leading slash
	known  map[int]Process    // by number; those that were looked at while they lived
}

type writing struct {
	Process
	count uint64
}

// NewWriters begins to listen. The upper lies at the top of its file system and
// need not be there yet; what before knew, which may be nil and must be closed,
// is known on. It needs CAP_SYS_ADMIN; Close ends it and lets go of the file
// system.
func NewWriters(upper string, before *Writers) (*Writers, error) {
	root, err := os.OpenFile(filepath.Dir(upper), unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("name writers: %w", err)
	}
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_REPORT_DFID_NAME|unix.FAN_REPORT_PIDFD, unix.O_RDONLY)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("name writers of %s: %w (see sysctl fs.fanotify.max_user_groups)", upper, os.NewSyscallError("fanotify_init", err))
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		root.Close()
		unix.Close(fd)
		return nil, fmt.Errorf("name writers of %s: %w", upper, os.NewSyscallError("eventfd", err))
	}
	w := &Writers{
		root: root, upper: filepath.Base(upper), fd: fd, stop: stop, done: make(chan struct{}),
		buf: make([]byte, 64<<10), last: map[string]writing{}, known: map[int]Process{},
	}
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, named, int(root.Fd()), ""); err != nil {
		w.release()
		return nil, fmt.Errorf("name writers of %s: %w", upper, os.NewSyscallError("fanotify_mark", err))
	}
	if before != nil {
		before.mu.Lock()
		w.count, w.last = before.count, before.last
		before.mu.Unlock()
	}
	go w.run()
	return w, nil
}

// Close ends it and waits until nothing of it holds the file system. What is
// known stays. Only the first Close counts.
func (w *Writers) Close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return
	}
	_, _ = unix.Write(w.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // eventfd(2): it is far from full
	<-w.done
	w.release()
}

func (w *Writers) release() {
	w.root.Close()
	unix.Close(w.fd)
	unix.Close(w.stop)
}

// run takes events as they come: a name has to be read before its process ends,
// which a short one does within a millisecond. So it waits in a thread of its
// own that goes before others, and not in the poller that all goroutines share.
func (w *Writers) run() {
	defer close(w.done)
	runtime.LockOSThread()                            // which ends with this
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, first) // the thread's own; without it more go unnamed
	ready := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.stop), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(ready, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if ready[1].Revents != 0 {
			return
		}
		w.mu.Lock()
		w.take()
		w.mu.Unlock()
	}
}

// Last returns, for each of the paths, who touched it last; the zero Process
// where that was not seen. What was done before the call is in it. Nobody wrote
// anything for a nil Writers.
func (w *Writers) Last(paths []string) []Process {
	list := make([]Process, len(paths))
	if w == nil {
		return list
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take()
	for i, p := range paths {
		list[i] = w.last[p].Process
	}
	return list
}

// take notes what is queued. The caller holds mu.
func (w *Writers) take() {
	if w.closed {
		return
	}
	for {
		n, err := unix.Read(w.fd, w.buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return // EAGAIN: that was all
		}
		folders, seen := map[string]string{}, map[int]Process{}
		for _, e := range parse(w.buf[:n]) {
			w.note(e, folders, seen)
		}
	}
}

// note keeps one event. What was found out for others of the same reading is in
// folders and seen.
func (w *Writers) note(e event, folders map[string]string, seen map[int]Process) {
	p, ok := seen[e.pid]
	if !ok {
		p = w.look(e.pid, e.pidfd)
		seen[e.pid] = p
	}
	if e.pidfd >= 0 {
		unix.Close(e.pidfd)
	}
	if e.handle == nil || e.pid == 0 { // an overflow; the kernel itself
		return
	}
	key := string(e.handle)
	folder, ok := folders[key]
	if !ok {
		folder = w.folder(e)
		folders[key] = folder
	}
	if folder == "" {
		return
	}
	w.count++
	if len(w.last) >= maxNamed {
		w.forget()
	}
	w.last[path.Join(folder, e.name)[1:]] = writing{p, w.count}
}

// forget drops the older half.
func (w *Writers) forget() {
	counts := make([]uint64, 0, len(w.last))
	for _, x := range w.last {
		counts = append(counts, x.count)
	}
	slices.Sort(counts)
	middle := counts[len(counts)/2]
	for name, x := range w.last {
		if x.count < middle {
			delete(w.last, name)
		}
	}
}

// look finds out who a process is. The pidfd tells whether it still was the one
// that wrote when its status was read, and not another of the same number.
func (w *Writers) look(pid, pidfd int) Process {
	p := Process{Host: pid}
	if pidfd >= 0 {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err == nil && unix.PidfdSendSignal(pidfd, 0, nil, 0) == nil {
			p.Name, p.Inside = statusOf(string(text))
		}
	}
	if p.Name == "" { // it has ended; perhaps it was seen before
		if before, ok := w.known[pid]; ok {
			return before
		}
		return p
	}
	if len(w.known) >= maxWriters {
		clear(w.known)
	}
	w.known[pid] = p
	return p
}

// statusOf reads a process's name and its number in its own pid namespace
// (proc_pid_status(5)).
func statusOf(text string) (name string, inside int) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ":\t")
		switch key {
		case "Name":
			name = strings.ToValidUTF8(value, "\uFFFD")
		case "NSpid":
			fields := strings.Fields(value)
			inside, _ = strconv.Atoi(fields[len(fields)-1]) // the kernel wrote a number
			return name, inside
		}
	}
	return name, 0
}

// folder is the path of an event's folder below the upper, beginning with a
// slash; "" for one that is elsewhere or gone.
func (w *Writers) folder(e event) string {
	fd, err := unix.OpenByHandleAt(int(w.root.Fd()), unix.NewFileHandle(e.kind, e.handle), unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Nlink == 0 {
		return ""
	}
	at, err := pathOf(fd)
	if err != nil {
		return ""
	}
	top, err := pathOf(int(w.root.Fd()))
	if err != nil {
		return ""
	}
	if rest, ok := strings.CutPrefix(at, filepath.Join(top, w.upper)); ok && (rest == "" || rest[0] == '/') {
		return "/" + strings.TrimPrefix(rest, "/")
	}
	return "" // overlayfs's own work
}

func pathOf(fd int) (string, error) { return os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)) }
