//go:build linux

// Package sealed keeps programs in memory that nobody can write.
package sealed

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Copy copies a program into memory that nobody can change any more and returns
// its descriptor, to be executed as /proc/self/fd/N.
//
// A container can make us execute ourselves inside it (a command that links to
// /proc/self/exe) and then open our file through /proc/PID/exe; where that file
// is the one on disk and the container's root is the host's, it can overwrite
// it (CVE-2019-5736). What is sealed cannot be overwritten by anybody.
func Copy(name string, r io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL {
		// MFD_EXEC came with Linux 6.3; before, every memfd was executable.
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("seal %s: memfd_create: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := copyInto(f, r); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal %s: copy: %w", name, err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal %s: %w", name, err)
	}
	return f, nil
}

// copyInto copies a file within the kernel, anything else through memory.
func copyInto(dst *os.File, r io.Reader) error {
	src, ok := r.(*os.File)
	if !ok {
		_, err := io.Copy(dst, r)
		return err
	}
	for {
		n, err := unix.Sendfile(int(dst.Fd()), int(src.Fd()), nil, 1<<30)
		switch {
		case err == unix.EINTR:
		case err == unix.EINVAL:
			_, err := io.Copy(dst, src) // not a file that can be mapped
			return err
		case err != nil:
			return os.NewSyscallError("sendfile", err)
		case n == 0:
			return nil
		}
	}
}
