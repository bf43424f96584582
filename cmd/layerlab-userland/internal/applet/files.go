//go:build linux

package applet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func ln(c Call) error {
	f := c.flags("[-s] [-f] TARGET… NAME")
	symbolic := f.BoolP("symbolic", "s", false, "make symbolic links")
	force := f.BoolP("force", "f", false, "replace what has the name")
	args, err := c.parse(f, 2)
	if err != nil {
		return err
	}
	last := args[len(args)-1]
	info, err := os.Stat(last)
	isDir := err == nil && info.IsDir()
	if len(args) > 2 && !isDir {
		return fmt.Errorf("%s: not a directory", last)
	}
	return c.each(args[:len(args)-1], func(target string) error {
		name := last
		if isDir {
			name = filepath.Join(last, filepath.Base(target))
		}
		if *force {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		link := os.Link
		if *symbolic {
			link = os.Symlink
		}
		if err := link(target, name); err != nil {
			if e, ok := errors.AsType[*os.LinkError](err); ok {
				return fmt.Errorf("%s -> %s: %w", name, target, e.Err)
			}
			return err
		}
		return nil
	})
}

func chown(c Call) error {
	f := c.flags("[-R] [-h] USER[:GROUP] FILE…")
	recurse := f.BoolP("recursive", "R", false, "what folders hold, too")
	noFollow := f.BoolP("no-dereference", "h", false, "symbolic links themselves")
	args, err := c.parse(f, 2)
	if err != nil {
		return err
	}
	known := accounts()
	user, group, _ := strings.Cut(args[0], ":")
	uid, gid := -1, -1
	if user != "" {
		id, ok := lookup(known.users, user)
		if !ok {
			return fmt.Errorf("%s: no such user", user)
		}
		uid = int(id)
	}
	if group != "" {
		id, ok := lookup(known.groups, group)
		if !ok {
			return fmt.Errorf("%s: no such group", group)
		}
		gid = int(id)
	}
	return c.each(args[1:], func(root string) error {
		if !*recurse {
			if *noFollow {
				return os.Lchown(root, uid, gid)
			}
			return os.Chown(root, uid, gid)
		}
		return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, uid, gid)
		})
	})
}

func rmdir(c Call) error {
	f := c.flags("[-p] FOLDER…")
	parents := f.BoolP("parents", "p", false, "emptied parents too")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	return c.each(args, func(path string) error {
		for {
			if err := unix.Rmdir(path); err != nil {
				return &fs.PathError{Op: "rmdir", Path: path, Err: err}
			}
			path = filepath.Dir(filepath.Clean(path))
			if !*parents || path == "." || path == "/" {
				return nil
			}
		}
	})
}

func stat(c Call) error {
	f := c.flags("FILE…")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	known := accounts()
	return c.each(args, func(path string) error {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &fs.PathError{Op: "lstat", Path: path, Err: err}
		}
		name := quote(path)
		if target, err := os.Readlink(path); err == nil {
			name += " -> " + quote(target)
		}
		fmt.Fprintf(c.Stdout, "  File: %s\n  Size: %-10d Blocks: %-8d IO Block: %d\n", name, st.Size, st.Blocks, st.Blksize)
		fmt.Fprintf(c.Stdout, "Device: %d,%d   Inode: %-10d Links: %d\n", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino, st.Nlink)
		fmt.Fprintf(c.Stdout, "Access: (%04o/%s)  Uid: (%d/%s)  Gid: (%d/%s)\n", st.Mode&0o7777, modeString(st.Mode),
			st.Uid, known.user(st.Uid), st.Gid, known.group(st.Gid))
		for _, t := range []struct {
			word string
			ts   unix.Timespec
		}{{"Access", st.Atim}, {"Modify", st.Mtim}, {"Change", st.Ctim}} {
			fmt.Fprintf(c.Stdout, "%s: %s\n", t.word, time.Unix(t.ts.Unix()).Format("2006-01-02 15:04:05.000000000 -0700"))
		}
		return nil
	})
}

func du(c Call) error {
	f := c.flags("[-s] [-h] [PATH…]")
	summary := f.BoolP("summarize", "s", false, "the sum of each argument only")
	human := f.BoolP("human-readable", "h", false, "sizes as 1.5K, 2.0M")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"."}
	}
	show := func(blocks int64, path string) {
		size := strconv.FormatInt((blocks+1)/2, 10)
		if *human {
			size = humanSize(blocks * 512)
		}
		fmt.Fprintf(c.Stdout, "%s\t%s\n", size, quote(path))
	}
	return c.each(args, func(root string) error {
		seen := map[[2]uint64]bool{} // an inode counts once, whatever its names
		var walk func(path string, depth int) (int64, error)
		walk = func(path string, depth int) (int64, error) {
			var st unix.Stat_t
			if err := unix.Lstat(path, &st); err != nil {
				return 0, &fs.PathError{Op: "lstat", Path: path, Err: err}
			}
			key := [2]uint64{st.Dev, st.Ino}
			if seen[key] {
				return 0, nil
			}
			seen[key] = true
			blocks := st.Blocks
			isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
			if isDir {
				entries, err := os.ReadDir(path)
				if err != nil {
					c.complain(err)
				}
				for _, e := range entries {
					n, err := walk(filepath.Join(path, e.Name()), depth+1)
					if err != nil {
						c.complain(err)
					}
					blocks += n
				}
			}
			if depth == 0 || isDir && !*summary {
				show(blocks, path)
			}
			return blocks, nil
		}
		_, err := walk(root, 0)
		return err
	})
}

func readlink(c Call) error {
	f := c.flags("[-f] FILE…")
	follow := f.BoolP("canonicalize", "f", false, "follow every link of the path")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	return c.each(args, func(path string) error {
		if *follow {
			return printReal(c, path)
		}
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.Stdout, target)
		return nil
	})
}

func realpath(c Call) error {
	args, err := c.parse(c.flags("FILE…"), 1)
	if err != nil {
		return err
	}
	return c.each(args, func(path string) error { return printReal(c, path) })
}

func printReal(c Call, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.Stdout, real)
	return nil
}

func basename(c Call) error {
	args, err := c.parse(c.flags("PATH [SUFFIX]"), 1)
	if err != nil {
		return err
	}
	name := filepath.Base(args[0])
	if len(args) > 1 && name != args[1] {
		name = strings.TrimSuffix(name, args[1])
	}
	fmt.Fprintln(c.Stdout, name)
	return nil
}

func dirname(c Call) error {
	args, err := c.parse(c.flags("PATH…"), 1)
	if err != nil {
		return err
	}
	for _, path := range args {
		fmt.Fprintln(c.Stdout, filepath.Dir(path))
	}
	return nil
}

func truncate(c Call) error {
	f := c.flags("-s BYTES FILE…")
	size := f.Int64P("size", "s", -1, "bytes")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	if *size < 0 {
		return usageError{errors.New("a size is needed: -s BYTES")}
	}
	return c.each(args, func(path string) error {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		return errors.Join(file.Truncate(*size), file.Close())
	})
}

func mkfifo(c Call) error {
	args, err := c.parse(c.flags("NAME…"), 1)
	if err != nil {
		return err
	}
	return c.each(args, func(path string) error {
		if err := unix.Mkfifo(path, 0o666); err != nil {
			return &fs.PathError{Op: "mkfifo", Path: path, Err: err}
		}
		return nil
	})
}

func mknod(c Call) error {
	args, err := c.parse(c.flags("NAME b|c MAJOR MINOR"), 4)
	if err != nil {
		return err
	}
	kind := map[string]uint32{"b": unix.S_IFBLK, "c": unix.S_IFCHR}[args[1]]
	major, err1 := strconv.ParseUint(args[2], 10, 32)
	minor, err2 := strconv.ParseUint(args[3], 10, 32)
	if kind == 0 || err1 != nil || err2 != nil {
		return usageError{errors.New("a type (b or c) and two numbers are needed")}
	}
	if err := unix.Mknod(args[0], kind|0o666, int(unix.Mkdev(uint32(major), uint32(minor)))); err != nil {
		return &fs.PathError{Op: "mknod", Path: args[0], Err: err}
	}
	return nil
}

func which(c Call) error {
	args, err := c.parse(c.flags("NAME…"), 1)
	if err != nil {
		return err
	}
	status := error(nil)
	for _, name := range args {
		found := false
		for dir := range strings.SplitSeq(os.Getenv("PATH"), ":") {
			path := filepath.Join(dir, name)
			if unix.Access(path, unix.X_OK) == nil {
				fmt.Fprintln(c.Stdout, path)
				found = true
				break
			}
		}
		if !found {
			status = Status(1)
		}
	}
	return status
}

func sum(c Call) error {
	args, err := c.parse(c.flags("[FILE…]"), 0)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"-"}
	}
	return c.each(args, func(path string) error {
		in, err := c.open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		digest, err := digestOf(c.Name, in)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "%x  %s\n", digest, path)
		return nil
	})
}
