//go:build linux

package applet

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// less shows text by pages: space for the next, b for the one before, arrows
// for lines, g and G for the ends, q to leave. Where the output is no terminal
// it copies.
func less(c Call) error {
	args, err := c.parse(c.flags("[FILE…]"), 0)
	if err != nil {
		return err
	}
	out, ok := c.Stdout.(*os.File)
	if !ok || !term.IsTerminal(int(out.Fd())) {
		return c.inputs(args, func(_ string, r io.Reader) error {
			_, err := io.Copy(c.Stdout, r)
			return err
		})
	}
	var text []string
	if err := c.inputs(args, func(_ string, r io.Reader) error {
		return lines(r, func(line string) error {
			text = append(text, printable(line))
			return nil
		})
	}); err != nil {
		return err
	}
	// Keys come from the terminal even where the text comes from a pipe.
	keys, err := os.Open("/dev/tty")
	if err != nil {
		return err
	}
	defer keys.Close()
	state, err := term.MakeRaw(int(keys.Fd()))
	if err != nil {
		return err
	}
	defer term.Restore(int(keys.Fd()), state)
	fmt.Fprint(out, "\x1b[?1049h")
	defer fmt.Fprint(out, "\x1b[?1049l")

	top := 0
	key := make([]byte, 8)
	for {
		width, height, err := term.GetSize(int(out.Fd()))
		if err != nil || height < 2 {
			width, height = 80, 24
		}
		page := height - 1
		top = max(0, min(top, len(text)-page))
		var b strings.Builder
		b.WriteString("\x1b[H\x1b[2J")
		for _, line := range text[top:min(len(text), top+page)] {
			runes := []rune(line)
			b.WriteString(string(runes[:min(len(runes), width)]) + "\r\n")
		}
		fmt.Fprintf(&b, "\x1b[7m%d–%d of %d  (q leaves)\x1b[0m", min(top+1, len(text)), min(len(text), top+page), len(text))
		if _, err := io.WriteString(out, b.String()); err != nil {
			return err
		}
		n, err := keys.Read(key)
		if err != nil {
			return err
		}
		switch string(key[:n]) {
		case "q", "Q", "\x03":
			return nil
		case " ", "f", "\x1b[6~":
			top += page
		case "b", "\x1b[5~":
			top -= page
		case "j", "\r", "\x1b[B":
			top++
		case "k", "\x1b[A":
			top--
		case "g", "\x1b[H":
			top = 0
		case "G", "\x1b[F":
			top = len(text)
		}
	}
}

// printable keeps a file's control characters from the terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '·'
		}
		return r
	}, strings.ReplaceAll(line, "\t", "    "))
}
