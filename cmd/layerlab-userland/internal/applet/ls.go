//go:build linux

package applet

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// lister is one call of ls.
type lister struct {
	Call
	all, almostAll, long, one, recurse, dir, human, inode, numeric, byTime, bySize, reverse, classify bool

	color bool
	width int // columns of the terminal; 0: one name a line
}

// item is a name to show, with its lstat(2).
type item struct {
	name, path string
	st         unix.Stat_t
}

func ls(c Call) error {
	l := &lister{Call: c}
	f := c.flags("[OPTIONS] [FILE…]")
	f.BoolVarP(&l.all, "all", "a", false, "names that begin with a dot too")
	f.BoolVarP(&l.almostAll, "almost-all", "A", false, "the same without . and ..")
	f.BoolVarP(&l.long, "long", "l", false, "mode, links, owner, size and time")
	f.BoolVarP(&l.one, "one", "1", false, "one name a line")
	f.BoolVarP(&l.recurse, "recursive", "R", false, "folders within folders")
	f.BoolVarP(&l.dir, "directory", "d", false, "folders themselves, not what they hold")
	f.BoolVarP(&l.human, "human-readable", "h", false, "sizes as 1.5K, 2.0M")
	f.BoolVarP(&l.inode, "inode", "i", false, "inode numbers")
	f.BoolVarP(&l.numeric, "numeric-uid-gid", "n", false, "owners as numbers, implies -l")
	f.BoolVarP(&l.byTime, "time", "t", false, "newest first")
	f.BoolVarP(&l.bySize, "size-sort", "S", false, "largest first")
	f.BoolVarP(&l.reverse, "reverse", "r", false, "the other way round")
	f.BoolVarP(&l.classify, "classify", "F", false, "mark folders with /, links with @, programs with *")
	when := f.String("color", "auto", "auto, always or never")
	f.Lookup("color").NoOptDefVal = "always"
	names, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	l.long = l.long || l.numeric
	if out, ok := c.Stdout.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
		if w, _, err := term.GetSize(int(out.Fd())); err == nil && w > 0 {
			l.width = w
		} else {
			l.width = 80
		}
	}
	l.color = *when == "always" || *when == "auto" && l.width > 0
	if l.one {
		l.width = 0
	}
	if len(names) == 0 {
		names = []string{"."}
	}

	var files, dirs []item
	status := c.each(names, func(name string) error {
		it := item{name: name, path: name}
		// A symbolic link on the command line is followed, but for -l.
		stat := unix.Stat
		if l.long || l.dir {
			stat = unix.Lstat
		}
		err := stat(name, &it.st)
		if errors.Is(err, unix.ENOENT) { // a link without a target is still a name
			err = unix.Lstat(name, &it.st)
		}
		if err != nil {
			return &fs.PathError{Op: "stat", Path: name, Err: err}
		}
		if it.st.Mode&unix.S_IFMT == unix.S_IFDIR && !l.dir {
			dirs = append(dirs, it)
		} else {
			files = append(files, it)
		}
		return nil
	})
	if len(files) > 0 {
		if err := l.print(files); err != nil {
			return err
		}
	}
	for i, d := range dirs {
		if len(names) > 1 || l.recurse {
			if i > 0 || len(files) > 0 {
				fmt.Fprintln(c.Stdout)
			}
		}
		if err := l.folder(d.path, len(names) > 1 || l.recurse); err != nil {
			if errors.Is(err, unix.EPIPE) {
				return err
			}
			c.complain(err)
			status = Status(1)
		}
	}
	return status
}

// folder lists what a folder holds.
func (l *lister) folder(path string, titled bool) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if titled {
		fmt.Fprintf(l.Stdout, "%s:\n", quote(path))
	}
	var names []string
	if l.all {
		names = append(names, ".", "..")
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && !l.all && !l.almostAll {
			continue
		}
		names = append(names, e.Name())
	}
	items := make([]item, 0, len(names))
	blocks := int64(0)
	for _, name := range names {
		it := item{name: name, path: filepath.Join(path, name)}
		if unix.Lstat(it.path, &it.st) != nil {
			continue // removed since the folder was read
		}
		blocks += it.st.Blocks
		items = append(items, it)
	}
	if l.long {
		fmt.Fprintf(l.Stdout, "total %d\n", blocks/2)
	}
	if err := l.print(items); err != nil || !l.recurse {
		return err
	}
	for _, it := range items {
		if it.st.Mode&unix.S_IFMT != unix.S_IFDIR || it.name == "." || it.name == ".." {
			continue
		}
		fmt.Fprintln(l.Stdout)
		if err := l.folder(it.path, true); err != nil {
			l.complain(err)
		}
	}
	return nil
}

// print writes items in the order and form that the options ask for.
func (l *lister) print(items []item) error {
	slices.SortStableFunc(items, func(a, b item) int {
		switch {
		case l.byTime:
			return cmp.Or(cmp.Compare(b.st.Mtim.Nano(), a.st.Mtim.Nano()), cmp.Compare(a.name, b.name))
		case l.bySize:
			return cmp.Or(cmp.Compare(b.st.Size, a.st.Size), cmp.Compare(a.name, b.name))
		}
		return cmp.Compare(a.name, b.name)
	})
	if l.reverse {
		slices.Reverse(items)
	}
	var out bytes.Buffer
	switch {
	case l.long:
		l.printLong(&out, items)
	case l.width > 0:
		l.printColumns(&out, items)
	default:
		for _, it := range items {
			fmt.Fprintln(&out, l.inodeOf(it)+l.paint(it))
		}
	}
	_, err := l.Stdout.Write(out.Bytes())
	return err
}

func (l *lister) printLong(out *bytes.Buffer, items []item) {
	owners := accounts()
	rows := make([][]string, len(items))
	var widths [6]int
	for i, it := range items {
		size := strconv.FormatInt(it.st.Size, 10)
		if l.human {
			size = humanSize(it.st.Size)
		}
		if t := it.st.Mode & unix.S_IFMT; t == unix.S_IFCHR || t == unix.S_IFBLK {
			size = fmt.Sprintf("%d, %d", unix.Major(it.st.Rdev), unix.Minor(it.st.Rdev))
		}
		user, group := strconv.Itoa(int(it.st.Uid)), strconv.Itoa(int(it.st.Gid))
		if !l.numeric {
			user, group = owners.user(it.st.Uid), owners.group(it.st.Gid)
		}
		rows[i] = []string{
			l.inodeOf(it) + modeString(it.st.Mode), strconv.FormatUint(uint64(it.st.Nlink), 10),
			user, group, size, lsTime(time.Unix(it.st.Mtim.Unix())),
		}
		for k, cell := range rows[i] {
			widths[k] = max(widths[k], len(cell))
		}
	}
	for i, it := range items {
		row := rows[i]
		fmt.Fprintf(out, "%*s %*s %-*s %-*s %*s %s %s", widths[0], row[0], widths[1], row[1], widths[2], row[2],
			widths[3], row[3], widths[4], row[4], row[5], l.paint(it))
		if it.st.Mode&unix.S_IFMT == unix.S_IFLNK {
			if target, err := os.Readlink(it.path); err == nil {
				out.WriteString(" -> " + quote(target))
			}
		}
		out.WriteByte('\n')
	}
}

// printColumns fills the terminal's width, downwards first.
func (l *lister) printColumns(out *bytes.Buffer, items []item) {
	widest := 0
	for _, it := range items {
		widest = max(widest, l.cells(it))
	}
	columns := max(1, l.width/(widest+2))
	rows := (len(items) + columns - 1) / columns
	for r := range rows {
		for i := r; i < len(items); i += rows {
			out.WriteString(l.inodeOf(items[i]) + l.paint(items[i]))
			if i+rows < len(items) {
				out.WriteString(strings.Repeat(" ", widest+2-l.cells(items[i])))
			}
		}
		out.WriteByte('\n')
	}
}

func (l *lister) cells(it item) int {
	n := utf8.RuneCountInString(l.inodeOf(it)) + utf8.RuneCountInString(quote(it.name))
	if l.classify {
		n += len(indicator(it.st.Mode))
	}
	return n
}

func (l *lister) inodeOf(it item) string {
	if !l.inode {
		return ""
	}
	return strconv.FormatUint(it.st.Ino, 10) + " "
}

// paint returns the name in the colours that GNU ls has by default.
func (l *lister) paint(it item) string {
	name := quote(it.name)
	if l.color {
		if code := colorOf(it.st.Mode); code != "" {
			name = "\x1b[" + code + "m" + name + "\x1b[0m"
		}
	}
	if l.classify {
		name += indicator(it.st.Mode)
	}
	return name
}

func colorOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if mode&unix.S_ISVTX != 0 && mode&0o002 != 0 {
			return "30;42"
		}
		return "01;34"
	case unix.S_IFLNK:
		return "01;36"
	case unix.S_IFIFO:
		return "33"
	case unix.S_IFSOCK:
		return "01;35"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "01;33"
	}
	switch {
	case mode&unix.S_ISUID != 0:
		return "37;41"
	case mode&0o111 != 0:
		return "01;32"
	}
	return ""
}

func indicator(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "/"
	case unix.S_IFLNK:
		return "@"
	case unix.S_IFIFO:
		return "|"
	case unix.S_IFSOCK:
		return "="
	}
	if mode&unix.S_IFMT == unix.S_IFREG && mode&0o111 != 0 {
		return "*"
	}
	return ""
}

// modeString is the ten characters of `ls -l`.
func modeString(mode uint32) string {
	b := []byte("?rwxrwxrwx")
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		b[0] = '-'
	case unix.S_IFDIR:
		b[0] = 'd'
	case unix.S_IFLNK:
		b[0] = 'l'
	case unix.S_IFCHR:
		b[0] = 'c'
	case unix.S_IFBLK:
		b[0] = 'b'
	case unix.S_IFIFO:
		b[0] = 'p'
	case unix.S_IFSOCK:
		b[0] = 's'
	}
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	special := func(bit uint32, at int, with, without byte) {
		if mode&bit == 0 {
			return
		}
		if b[at] == 'x' {
			b[at] = with
		} else {
			b[at] = without
		}
	}
	special(unix.S_ISUID, 3, 's', 'S')
	special(unix.S_ISGID, 6, 's', 'S')
	special(unix.S_ISVTX, 9, 't', 'T')
	return string(b)
}

// lsTime shows the time of day for the last half year, else the year.
func lsTime(t time.Time) string {
	if age := time.Since(t); age > 182*24*time.Hour || age < -time.Hour {
		return t.Format("Jan _2  2006")
	}
	return t.Format("Jan _2 15:04")
}

// humanSize shows bytes in units of 1024.
func humanSize(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	f := float64(n)
	unit := 0
	for f >= 1024 && unit < 5 {
		f /= 1024
		unit++
	}
	if f < 10 {
		return fmt.Sprintf("%.1f%c", f, " KMGTP"[unit])
	}
	return fmt.Sprintf("%.0f%c", f, " KMGTP"[unit])
}
