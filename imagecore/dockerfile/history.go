package dockerfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// FromHistory makes a Dockerfile of a history: a line for each entry, tied to
// the layer that it made, then one for each of the layers, of that many, that
// the history knows nothing of. It begins with FROM scratch, since a history
// does not say where its base ends. An image without history has no lines.
func FromHistory(history []imagecore.History, layers int) []imagecore.Line {
	if len(history) == 0 {
		return nil
	}
	lines := []imagecore.Line{{Instruction: "FROM", Text: "FROM scratch"}}
	told := make([]bool, layers)
	p := newPatterns()
	for i := range history {
		h := &history[i]
		in, known := p.instruction(h.CreatedBy)
		l := imagecore.Line{Instruction: in.Keyword, Text: in.text(), History: &i, Layer: h.Layer}
		if !known {
			l.Instruction, l.Text, l.Note = "", comment(h.CreatedBy, h.Comment), "unknown"
		}
		if h.Layer != nil && *h.Layer < layers {
			told[*h.Layer] = true
		}
		lines = append(lines, l)
	}
	for n := range told {
		if !told[n] {
			lines = append(lines, imagecore.Line{Text: "# nothing tells what made this layer", Layer: &n, Note: "unknown"})
		}
	}
	number := 1
	for i := range lines {
		lines[i].Number = number
		number += 1 + strings.Count(lines[i].Text, "\n")
	}
	return lines
}

// comment keeps what no Dockerfile has as one.
func comment(createdBy, note string) string {
	text := strings.TrimSpace(createdBy)
	if text == "" {
		text = strings.TrimSpace(note)
	}
	if text == "" {
		text = "an entry without words"
	}
	return "# " + strings.ReplaceAll(text, "\n", "\n# ")
}

// Instruction is one instruction of a Dockerfile.
type Instruction struct {
	Line    int    // where it begins, from 1
	Keyword string // in capitals
	Args    string // what follows, continuation lines joined, without comments
	Text    string // as it stands in the file
	stage   int
}

// text writes an instruction that was made of a history. A command of several
// lines becomes a here-document, unless it has one of its own.
func (in Instruction) text() string {
	args := in.Args
	if in.Keyword != "RUN" || !strings.Contains(args, "\n") {
		return in.Keyword + " " + args
	}
	first, _, _ := strings.Cut(args, "\n")
	if len(heredocs(first)) > 0 {
		return in.Keyword + " " + args
	}
	end := "EOF"
	for strings.Contains("\n"+args+"\n", "\n"+end+"\n") {
		end += "_"
	}
	return in.Keyword + " <<" + end + "\n" + strings.TrimSuffix(args, "\n") + "\n" + end
}

// patterns of what builders write.
type patterns struct {
	args     *regexp.Regexp // |2 A=b C=d, before a command
	shell    *regexp.Regexp // the shell that RUN's shell form is given to
	windows  *regexp.Regexp
	pointer  *regexp.Regexp // &{["CMD-SHELL" "true"] "0s" …}, a Go struct
	expose   *regexp.Regexp // map[80/tcp:{}]
	keyword  *regexp.Regexp
	buildkit string
}

func newPatterns() *patterns {
	return &patterns{
		args:     regexp.MustCompile(`^\|(\d+) `),
		shell:    regexp.MustCompile(`^(?:/[\w./-]*/)?(?:ba|da|a|z|k)?sh(?: -\w+| pipefail| errexit| nounset| xtrace)*? -\w*c (?s:(.*))$`),
		windows:  regexp.MustCompile(`(?i)^(?:cmd(?:\.exe)? /S /C|powershell(?:\.exe)? (?:-\S+ )*?-Command) (?s:(.*))$`),
		pointer:  regexp.MustCompile(`^&\{(\[[^\]]*\])(.*)\}$`),
		expose:   regexp.MustCompile(`^map\[(.*)\]$`),
		keyword:  regexp.MustCompile(`^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)(?:\s+(?s:(.*)))?$`),
		buildkit: "# buildkit",
	}
}

// instruction reads one created_by; ok is false for what no Dockerfile makes.
func (p *patterns) instruction(createdBy string) (in Instruction, ok bool) {
	text := strings.TrimSpace(createdBy)
	trimmed, isBuildKit := strings.CutSuffix(text, p.buildkit)
	text = strings.TrimSpace(trimmed)
	if m := p.keyword.FindStringSubmatch(text); m != nil {
		if m[1] != "RUN" {
			return Instruction{Keyword: m[1], Args: p.plain(m[1], m[2])}, true
		}
		return Instruction{Keyword: "RUN", Args: p.command(m[2])}, true
	}
	if isBuildKit {
		return Instruction{Keyword: "RUN", Args: p.command(text)}, true
	}
	command := p.command(text)
	if nop, ok := strings.CutPrefix(command, "#(nop)"); ok {
		m := p.keyword.FindStringSubmatch(strings.TrimSpace(nop))
		if m == nil {
			return Instruction{}, false
		}
		return Instruction{Keyword: m[1], Args: p.plain(m[1], m[2])}, true
	}
	// A command is one only where a shell or values of ARG show it: anything
	// else may be any tool's words.
	if command == text {
		return Instruction{}, false
	}
	return Instruction{Keyword: "RUN", Args: command}, true
}

// command takes the shell, and the values of ARG before it, from a command.
func (p *patterns) command(text string) string {
	if m := p.args.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			text = afterArgs(text[len(m[0]):], n)
		}
	}
	for _, shell := range []*regexp.Regexp{p.shell, p.windows} {
		if m := shell.FindStringSubmatch(text); m != nil {
			return strings.TrimSpace(m[1])
		}
	}
	return text
}

// afterArgs skips n values NAME=VALUE. Values may have spaces in them, so that
// the command begins where a shell does; without one n words are skipped.
func afterArgs(text string, n int) string {
	for _, shell := range []string{"/bin/sh -c ", "/bin/bash -", "/bin/ash -", "/usr/bin/bash -", "cmd /S /C ", "powershell "} {
		if i := strings.Index(text, shell); i >= 0 && (i == 0 || text[i-1] == ' ') {
			return text[i:]
		}
	}
	for range n {
		_, text, _ = strings.Cut(text, " ")
	}
	return text
}

// plain writes arguments as a Dockerfile has them, where a builder wrote Go's
// form of its own data.
func (p *patterns) plain(keyword, args string) string {
	args = strings.TrimSpace(args)
	switch keyword {
	case "EXPOSE":
		if m := p.expose.FindStringSubmatch(args); m != nil {
			return strings.ReplaceAll(m[1], ":{}", "")
		}
	case "ENTRYPOINT", "CMD", "HEALTHCHECK":
		rest := ""
		if m := p.pointer.FindStringSubmatch(args); m != nil {
			args, rest = m[1], m[2]
		}
		if list, ok := goList(args); ok {
			if keyword == "HEALTHCHECK" {
				return healthcheck(list, rest)
			}
			return jsonList(list)
		}
	case "VOLUME", "SHELL":
		if list, ok := goList(args); ok {
			return jsonList(list)
		}
	}
	return args
}

// goList reads `["a" "b"]`, as Go prints it, and `["a","b"]`, as JSON has it,
// and `[a b]` of old Dockers.
func goList(text string) ([]string, bool) {
	inner, ok := strings.CutPrefix(text, "[")
	if inner, ok2 := strings.CutSuffix(inner, "]"); ok && ok2 {
		var list []string
		for rest := strings.TrimLeft(inner, " ,"); rest != ""; rest = strings.TrimLeft(rest, " ,") {
			if quoted, err := strconv.QuotedPrefix(rest); err == nil {
				s, err := strconv.Unquote(quoted)
				if err != nil {
					return nil, false
				}
				list, rest = append(list, s), rest[len(quoted):]
				continue
			}
			word, after, _ := strings.Cut(rest, " ")
			list, rest = append(list, strings.TrimSuffix(word, ",")), after
		}
		return list, true
	}
	return nil, false
}

// jsonList is the exec form.
func jsonList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// healthcheck writes `HEALTHCHECK CMD …`; rest are the times, as Go prints
// them: interval, timeout, start period, start interval, retries.
func healthcheck(test []string, rest string) string {
	options := ""
	names := []string{"interval", "timeout", "start-period", "start-interval"}
	fields := strings.Fields(rest)
	for i, f := range fields {
		value := strings.Trim(f, `"'`)
		switch {
		case i == len(fields)-1:
			if value != "0" && !strings.HasPrefix(value, "\\") {
				options += "--retries=" + value + " "
			}
		case i < len(names) && value != "0s":
			options += fmt.Sprintf("--%s=%s ", names[i], value)
		}
	}
	switch {
	case len(test) > 1 && test[0] == "CMD-SHELL":
		return options + "CMD " + strings.Join(test[1:], " ")
	case len(test) > 1 && test[0] == "CMD":
		return options + "CMD " + jsonList(test[1:])
	}
	return strings.Join(test, " ")
}
