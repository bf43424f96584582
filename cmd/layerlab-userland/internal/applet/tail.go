//go:build linux

package applet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func tail(c Call) error {
	c.Args = countArgs(c.Args)
	f := c.flags("[-n LINES | -n +FROM | -c BYTES] [-f] [FILE…]")
	count := f.StringP("lines", "n", "10", "lines; +N: from line N on")
	bytes := f.Int64P("bytes", "c", -1, "bytes instead of lines")
	follow := f.BoolP("follow", "f", false, "go on as the file grows")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(*count, "+"))
	if err != nil {
		return usageError{fmt.Errorf("-n %s: a number is needed", *count)}
	}
	title := titles(c, len(args) > 1)
	return c.inputs(args, func(name string, r io.Reader) error {
		title(name)
		switch {
		case *bytes >= 0:
			err = lastBytes(c, r, *bytes)
		case strings.HasPrefix(*count, "+"):
			at := 0
			err = lines(r, func(line string) error {
				if at++; at < n {
					return nil
				}
				_, err := fmt.Fprintln(c.Stdout, line)
				return err
			})
		default:
			err = lastLines(c, r, n)
		}
		if err != nil {
			return err
		}
		if file, ok := r.(*os.File); ok && *follow && name != "-" {
			return followFile(c, file)
		}
		return nil
	})
}

func lastLines(c Call, r io.Reader, n int) error {
	if n <= 0 {
		return nil
	}
	ring := make([]string, 0, min(n, 1024))
	at := 0
	if err := lines(r, func(line string) error {
		if len(ring) < n {
			ring = append(ring, line)
		} else {
			ring[at%n] = line
		}
		at++
		return nil
	}); err != nil {
		return err
	}
	for i := range ring {
		if _, err := fmt.Fprintln(c.Stdout, ring[(at-len(ring)+i)%n]); err != nil {
			return err
		}
	}
	return nil
}

func lastBytes(c Call, r io.Reader, n int64) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, err = c.Stdout.Write(b[max(0, int64(len(b))-n):])
	return err
}

// followFile prints what is appended; inotify(7) says when.
func followFile(c Call, file *os.File) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("inotify_init1", err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, file.Name(), unix.IN_MODIFY); err != nil {
		return os.NewSyscallError("inotify_add_watch", err)
	}
	buf := make([]byte, 4096)
	for {
		if _, err := io.Copy(c.Stdout, file); err != nil {
			return err
		}
		if _, err := unix.Read(fd, buf); err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("read", err)
		}
	}
}
