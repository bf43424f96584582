//go:build linux

package descriptor

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// sent hands n descriptors of f over a socket and returns the control data.
func sent(t *testing.T, f *os.File, n int) []byte {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	var rights []byte
	for range n { // a message of its own each: who sends may do as it likes
		rights = append(rights, unix.UnixRights(int(f.Fd()))...)
	}
	if err := unix.Sendmsg(ends[0], []byte("x"), rights, nil, 0); err != nil {
		t.Fatal(err)
	}
	control := make([]byte, 256)
	_, got, _, _, err := unix.Recvmsg(ends[1], make([]byte, 1), control, 0)
	if err != nil {
		t.Fatal(err)
	}
	return control[:got]
}

func open(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// own says whether a descriptor is f and ends with this program.
func own(t *testing.T, f *os.File, fd int) bool {
	t.Helper()
	var a, b unix.Stat_t
	if unix.Fstat(int(f.Fd()), &a) != nil || unix.Fstat(fd, &b) != nil {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC != 0 && a.Rdev == b.Rdev && fd != int(f.Fd())
}

func TestADescriptorComesAgain(t *testing.T) {
	f := open(t)
	again, err := Again(f)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !own(t, f, int(again.Fd())) || again.Name() != f.Name() {
		t.Errorf("%s is another file", again.Name())
	}
	f.Close()
	if _, err := Again(f); err == nil {
		t.Error("a closed one comes again")
	}
}

func TestDescriptorsComeBesideAMessage(t *testing.T) {
	f := open(t)
	for n := range 4 {
		fds, err := Received(sent(t, f, n))
		if err != nil || len(fds) != n {
			t.Fatalf("%d were sent: %v, %v", n, fds, err)
		}
		for _, fd := range fds {
			if !own(t, f, fd) {
				t.Errorf("descriptor %d of %d is another file, or outlives this program", fd, n)
			}
			unix.Close(fd)
		}
	}
	if _, err := Received([]byte("nonsense that is longer than a header")); err == nil {
		t.Error("nonsense is taken")
	}
}

// TestOneIsOne closes what is too much.
func TestOneIsOne(t *testing.T) {
	f := open(t)
	fd, err := One(sent(t, f, 1))
	if err != nil || !own(t, f, fd) {
		t.Errorf("%d, %v", fd, err)
	}
	unix.Close(fd)
	before := count(t)
	for _, n := range []int{0, 2} {
		if _, err := One(sent(t, f, n)); err == nil {
			t.Errorf("%d are one", n)
		}
	}
	if after := count(t); after != before {
		t.Errorf("%d descriptors are open, before it were %d", after, before)
	}
}

// count counts this program's descriptors.
func count(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
