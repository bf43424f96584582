//go:build linux

package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	gather = 100 * time.Millisecond // for more to come, before the signal
	look   = time.Second            // between two looks
	// A look may take at most one part in so many of the time.
	lookShare = 20

	maxFolders = 8192    // watched per upper; the kernel's default for a user is 8192 to 524,288
	maxEntries = 100_000 // looked at
	maxDepth   = 128     // folders deep; each holds a descriptor while it is read
)

const mask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK

// Upper signals on the channel once at the start and then at most 100 ms after
// something below dir has changed (a second for writes into files that were
// there before), many changes at once as one. A receiver that is slow misses
// nothing: a signal stays until it is taken. The channel is closed when ctx
// ends or the folder has gone.
//
// It is bounded: beyond 8,192 folders or 100,000 entries of an upper, what lies
// further is not watched.
func Upper(ctx context.Context, dir string) (<-chan struct{}, error) {
	root, err := os.OpenFile(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("watch %s: %w (see sysctl fs.inotify.max_user_instances)", dir, os.NewSyscallError("inotify_init1", err))
	}
	w := &watcher{
		dir: dir, root: root, fd: fd, events: os.NewFile(uintptr(fd), "inotify"),
		dirty: make(chan struct{}, 1), out: make(chan struct{}, 1), seed: maphash.MakeSeed(),
	}
	w.last, _ = w.scan()
	w.out <- struct{}{}
	go w.run(ctx)
	return w.out, nil
}

type watcher struct {
	dir    string
	root   *os.File
	fd     int
	events *os.File
	dirty  chan struct{} // holds a token when an event came
	out    chan struct{}
	seed   maphash.Seed
	last   uint64 // fingerprint

	mu      sync.Mutex
	watched map[int32]struct{}
}

// run owns everything: it ends the reader and closes the files.
func (w *watcher) run(ctx context.Context) {
	var reader sync.WaitGroup
	reader.Go(w.read)
	defer close(w.out)
	defer w.root.Close()
	defer reader.Wait()
	defer w.events.Close()
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		event := false
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
			event = true
			select {
			case <-ctx.Done():
				return
			case <-time.After(gather):
			}
			drain(w.dirty)
		case <-timer.C:
		}
		// New folders are watched before the signal: what comes into them
		// later raises an event, what is in them the receiver will find.
		begin := time.Now()
		now, ok := w.scan()
		if !ok {
			return
		}
		if event || now != w.last {
			poke(w.out)
		}
		w.last = now
		timer.Reset(max(look, lookShare*time.Since(begin)))
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// read takes events off the queue; that there was one is all that counts.
func (w *watcher) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := w.events.Read(buf)
		if err != nil {
			return // closed by run
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(b))
			bits := binary.NativeEndian.Uint32(b[4:])
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			if bits&unix.IN_IGNORED != 0 { // the folder has gone, and its watch with it
				w.mu.Lock()
				delete(w.watched, wd)
				w.mu.Unlock()
			}
			b = b[min(size, len(b)):]
		}
		poke(w.dirty)
	}
}

// scan looks at everything and watches folders that are not watched yet. It
// returns the fingerprint; false when the folder has gone.
func (w *watcher) scan() (uint64, bool) {
	var st unix.Stat_t
	if err := unix.Fstat(int(w.root.Fd()), &st); err != nil || st.Nlink == 0 {
		return 0, false
	}
	s := scan{w: w, left: maxEntries}
	s.hash.SetSeed(w.seed)
	dup, err := unix.Openat(int(w.root.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	s.stat(".", &st)
	s.folder(os.NewFile(uintptr(dup), w.dir), 0)
	return s.hash.Sum64(), true
}

// watch adds a folder; one that is watched already stays so.
func (w *watcher) watch(dir *os.File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.watched) >= maxFolders {
		return
	}
	// By its descriptor: the path may lead elsewhere by now. Out of watches
	// (ENOSPC): looking every second has to do.
	wd, err := unix.InotifyAddWatch(w.fd, fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), mask)
	if err != nil {
		return
	}
	if w.watched == nil {
		w.watched = map[int32]struct{}{}
	}
	w.watched[int32(wd)] = struct{}{}
}

// scan is one look.
type scan struct {
	w    *watcher
	hash maphash.Hash
	left int // entries
}

func (s *scan) stat(name string, st *unix.Stat_t) {
	var b [48]byte
	binary.NativeEndian.PutUint64(b[0:], st.Ino)
	binary.NativeEndian.PutUint64(b[8:], uint64(st.Size))
	binary.NativeEndian.PutUint64(b[16:], uint64(st.Ctim.Sec))
	binary.NativeEndian.PutUint64(b[24:], uint64(st.Ctim.Nsec))
	binary.NativeEndian.PutUint64(b[32:], uint64(st.Mtim.Sec))
	binary.NativeEndian.PutUint64(b[40:], uint64(st.Mtim.Nsec))
	s.hash.WriteString(name)
	s.hash.Write(b[:])
}

// folder looks at what dir holds and closes it. What vanishes meanwhile is
// passed over: its folder's times have changed.
func (s *scan) folder(dir *os.File, depth int) {
	defer dir.Close()
	s.w.watch(dir)
	fd := int(dir.Fd())
	for {
		names, err := dir.Readdirnames(512)
		for _, name := range names {
			if s.left--; s.left < 0 {
				return
			}
			var st unix.Stat_t
			if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
				continue
			}
			s.stat(name, &st)
			if st.Mode&unix.S_IFMT != unix.S_IFDIR || depth >= maxDepth {
				continue
			}
			sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err == nil {
				s.folder(os.NewFile(uintptr(sub), name), depth+1)
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.hash.WriteString(err.Error())
			}
			return
		}
	}
}
