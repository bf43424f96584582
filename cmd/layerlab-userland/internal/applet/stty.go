//go:build linux

package applet

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mode is a flag of a terminal by its name for stty (termios(3)).
type mode struct {
	name  string
	field func(*unix.Termios) *uint32
	bits  uint32
}

func terminalModes() []mode {
	input := func(t *unix.Termios) *uint32 { return &t.Iflag }
	output := func(t *unix.Termios) *uint32 { return &t.Oflag }
	local := func(t *unix.Termios) *uint32 { return &t.Lflag }
	return []mode{
		{"icrnl", input, unix.ICRNL},
		{"ixon", input, unix.IXON},
		{"iutf8", input, unix.IUTF8},
		{"opost", output, unix.OPOST},
		{"onlcr", output, unix.ONLCR},
		{"isig", local, unix.ISIG},
		{"icanon", local, unix.ICANON},
		{"iexten", local, unix.IEXTEN},
		{"echo", local, unix.ECHO},
		{"echoe", local, unix.ECHOE},
		{"echok", local, unix.ECHOK},
	}
}

// stty shows and changes the terminal on standard input: size, -a, rows N,
// cols N, raw, sane, and modes by name, with a minus in front to clear them.
func stty(c Call) error {
	in, ok := c.Stdin.(*os.File)
	if !ok {
		return errors.New("standard input is no terminal")
	}
	fd := int(in.Fd())
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	args := c.Args
	if len(args) == 0 || args[0] == "-a" {
		return showTerminal(c, t, size)
	}
	if args[0] == "size" {
		_, err := fmt.Fprintln(c.Stdout, size.Row, size.Col)
		return err
	}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch word {
		case "rows", "cols", "columns":
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs a number", word)}
			}
			n, err := strconv.ParseUint(args[0], 10, 16)
			if err != nil {
				return usageError{fmt.Errorf("%s %s: a number is needed", word, args[0])}
			}
			args = args[1:]
			if word == "rows" {
				size.Row = uint16(n)
			} else {
				size.Col = uint16(n)
			}
			if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size); err != nil {
				return os.NewSyscallError("ioctl TIOCSWINSZ", err)
			}
		case "raw", "-raw", "sane":
			for _, m := range terminalModes() {
				if m.name != "iutf8" && (word != "raw" || m.name != "echo" && m.name != "echoe" && m.name != "echok") {
					set(t, m, word != "raw")
				}
			}
		default:
			name, clear := strings.CutPrefix(word, "-")
			known := false
			for _, m := range terminalModes() {
				if m.name == name {
					known = true
					set(t, m, !clear)
				}
			}
			if !known {
				return usageError{fmt.Errorf("%s: not a mode that this one knows", word)}
			}
		}
	}
	return os.NewSyscallError("ioctl TCSETS", unix.IoctlSetTermios(fd, unix.TCSETS, t))
}

func set(t *unix.Termios, m mode, on bool) {
	if on {
		*m.field(t) |= m.bits
	} else {
		*m.field(t) &^= m.bits
	}
}

func showTerminal(c Call, t *unix.Termios, size *unix.Winsize) error {
	words := make([]string, 0, 16)
	for _, m := range terminalModes() {
		word := m.name
		if *m.field(t)&m.bits == 0 {
			word = "-" + word
		}
		words = append(words, word)
	}
	_, err := fmt.Fprintf(c.Stdout, "rows %d; columns %d;\n%s\n", size.Row, size.Col, strings.Join(words, " "))
	return err
}
