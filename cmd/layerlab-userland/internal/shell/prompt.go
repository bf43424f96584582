//go:build linux

package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/layerlab/layerlab/cmd/layerlab-userland/internal/applet"
)

// prompt reads commands from a terminal and runs them until exit or Ctrl-D.
// The terminal is raw while a line is edited and as it was while a command
// runs, so that Ctrl-C is a key in the former and a signal in the latter.
func prompt(r *interp.Runner, f *foreground, tty *os.File, stdout, stderr io.Writer) error {
	// Stopping with Ctrl-Z would need job control to come back from.
	signal.Ignore(syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT, syscall.SIGQUIT)
	defer signal.Stop(interrupts)
	// A hangup or a request to end must end process 1 too.
	ending := make(chan os.Signal, 1)
	signal.Notify(ending, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-ending
		if n, ok := s.(syscall.Signal); ok {
			os.Exit(128 + int(n))
		}
	}()

	keys := &keyboard{in: tty}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, stdout}, "")
	t.History = &history{keys: keys}
	t.AutoCompleteCallback = completer(r)

	var last error
	pending := ""
	for {
		text := "> "
		if pending == "" {
			text = directory(r) + " # "
			if os.Geteuid() != 0 {
				text = directory(r) + " $ "
			}
		}
		t.SetPrompt(text)
		line, err := readLine(tty, t)
		if keys.interrupted {
			keys.interrupted, pending = false, ""
			last = gaveUp(r)
			continue
		}
		if errors.Is(err, io.EOF) {
			if pending != "" {
				fmt.Fprintln(stderr, "sh: unexpected end of input")
				pending = ""
				continue
			}
			fmt.Fprintln(stdout, "exit")
			return last
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return err
		}
		prog, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(pending+line+"\n"), "sh")
		if err != nil {
			if syntax.IsIncomplete(err) {
				pending += line + "\n"
				continue
			}
			pending = ""
			fmt.Fprintln(stderr, strings.TrimPrefix(err.Error(), "sh:"))
			last = applet.Status(2)
			continue
		}
		pending = ""
		var over bool
		if last, over = runLine(r, f, prog, interrupts); over {
			return last
		}
	}
}

// gaveUp sets $? as an interrupt does.
func gaveUp(r *interp.Runner) error {
	code := 128 + int(syscall.SIGINT)
	exit := &syntax.CallExpr{Args: []*syntax.Word{word("exit"), word(strconv.Itoa(code))}}
	subshell := &syntax.Subshell{Stmts: []*syntax.Stmt{{Cmd: exit}}}
	return status(r.Run(context.Background(), &syntax.Stmt{Cmd: subshell}))
}

func word(text string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: text}}}
}

// runLine runs what was typed and says whether the shell is over. An interrupt
// ends loops and waits of the interpreter itself; commands get it from the
// terminal.
func runLine(r *interp.Runner, f *foreground, prog *syntax.File, interrupts <-chan os.Signal) (last error, over bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.interrupted.Store(&cancel)
	for len(interrupts) > 0 { // one that came while a line was edited
		<-interrupts
	}
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-interrupts:
				if f.running.Load() == 0 {
					cancel()
				}
			case <-done:
				return
			}
		}
	}()
	for _, stmt := range prog.Stmts {
		last = status(r.Run(ctx, stmt))
		if r.Exited() || ctx.Err() != nil {
			break
		}
	}
	close(done)
	<-watched
	// The interpreter takes the end of its context for an exit.
	if ctx.Err() != nil {
		return gaveUp(r), false
	}
	return last, r.Exited()
}

// readLine edits one line on the raw terminal.
func readLine(tty *os.File, t *term.Terminal) (string, error) {
	state, err := term.MakeRaw(int(tty.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(tty.Fd()), state)
	resize := func() {
		if w, h, err := term.GetSize(int(tty.Fd())); err == nil && w > 0 && h > 0 {
			_ = t.SetSize(w, h) // an error here is one of writing, which ReadLine meets again
		}
	}
	resize()
	sizes := make(chan os.Signal, 1)
	signal.Notify(sizes, syscall.SIGWINCH)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-sizes:
				resize()
			case <-done:
				return
			}
		}
	}()
	defer func() {
		signal.Stop(sizes)
		close(done)
		<-stopped
	}()
	return t.ReadLine()
}

// directory is the working directory as the prompt shows it.
func directory(r *interp.Runner) string {
	dir := r.Dir
	if home := os.Getenv("HOME"); home != "" && home != "/" {
		if dir == home {
			return "~"
		}
		if rest, ok := strings.CutPrefix(dir, home+"/"); ok {
			return "~/" + rest
		}
	}
	return dir
}

// keyboard hands keys to the line editor. The editor takes Ctrl-C for an end
// of input; here it becomes: to the end of the line, "^C", Enter.
type keyboard struct {
	in          io.Reader
	interrupted bool
	ready       []byte
}

func (k *keyboard) Read(p []byte) (int, error) {
	if len(k.ready) == 0 {
		buf := make([]byte, len(p))
		n, err := k.in.Read(buf)
		if n == 0 {
			return 0, err
		}
		for _, b := range buf[:n] {
			if b == 0x03 {
				k.interrupted = true
				k.ready = append(k.ready, 0x05, '^', 'C', '\r')
				break // what was typed after it belongs to no line
			}
			k.ready = append(k.ready, b)
		}
	}
	n := copy(p, k.ready)
	k.ready = k.ready[n:]
	return n, nil
}

// history keeps the lines of this shell, newest first, without those that were
// given up and without repetitions.
type history struct {
	keys  *keyboard
	lines []string
}

const historyLines = 1000

func (h *history) Add(line string) {
	if h.keys.interrupted || strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if len(h.lines) > historyLines {
		h.lines = h.lines[1:]
	}
}

func (h *history) Len() int { return len(h.lines) }

func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }

// completer completes file names, and names of programs at the start of a
// line, when Tab is pressed: as far as all candidates agree.
func completer(r *interp.Runner) func(line string, pos int, key rune) (string, int, bool) {
	return func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		start := strings.LastIndexAny(line[:pos], " \t;|&<>") + 1
		word := line[start:pos]
		var candidates []string
		if strings.TrimSpace(line[:start]) == "" && !strings.Contains(word, "/") {
			for dir := range strings.SplitSeq(os.Getenv("PATH"), ":") {
				candidates = append(candidates, namesIn(dir, word, false)...)
			}
		} else {
			dir, base := filepath.Split(word)
			at := dir
			if !filepath.IsAbs(at) {
				at = filepath.Join(r.Dir, at)
			}
			for _, name := range namesIn(at, base, true) {
				candidates = append(candidates, dir+name)
			}
		}
		if len(candidates) == 0 {
			return line, pos, true
		}
		common := candidates[0]
		for _, c := range candidates[1:] {
			for !strings.HasPrefix(c, common) {
				common = common[:len(common)-1]
			}
		}
		if len(candidates) == 1 && !strings.HasSuffix(common, "/") {
			common += " "
		}
		if len(common) < len(word) {
			return line, pos, true
		}
		return line[:start] + common + line[pos:], start + len(common), true
	}
}

// namesIn lists the names in dir that begin with prefix; folders end in a slash.
func namesIn(dir, prefix string, slash bool) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, ".") && prefix == "" {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() {
			if !slash {
				continue
			}
			name += "/"
		}
		names = append(names, name)
	}
	return names
}
