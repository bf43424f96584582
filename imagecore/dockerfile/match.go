package dockerfile

import (
	"regexp"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// maxHistory bounds the work of Match: entries from the top that it looks at.
const maxHistory = 1000

// Match ties the instructions of a Dockerfile to the entries of a history.
//
// Only the last stage, and those that it is built FROM, can be in the image:
// all others are "other-stage". The two lists are laid beside one another so
// that as much as possible agrees and no order is broken; the history begins
// with the base image's own, which belongs to the first FROM, whose Layer is
// the base's last. An instruction whose words the history has differently is
// "guessed", one that it does not have is "not-built" (ARG and ONBUILD need
// leave none), an entry that the file does not have stands in its place with
// number 0 and "not-in-file".
func Match(file []Instruction, history []imagecore.History) []imagecore.Line {
	chain := stages(file)
	var mine []int // indexes of file that may have left an entry
	for i := range file {
		if chain[file[i].stage] && file[i].Keyword != "FROM" {
			mine = append(mine, i)
		}
	}
	skipped := max(0, len(history)-maxHistory)
	entries := make([]Instruction, len(history)-skipped)
	p := newPatterns()
	for i := range entries {
		entries[i], _ = p.instruction(history[skipped+i].CreatedBy)
	}
	pairs := align(file, mine, entries)

	lines := make([]imagecore.Line, 0, len(file))
	next := skipped + len(entries) // the first entry that is not the base's
	for _, p := range pairs {
		next = min(next, skipped+p.entry)
	}
	base := next
	inFile := func(until int) { // entries that the file does not have
		for ; next < until; next++ {
			e := entries[next-skipped]
			at := next
			l := imagecore.Line{Instruction: e.Keyword, Text: e.text(), History: &at, Layer: history[at].Layer, Note: "not-in-file"}
			if e.Keyword == "" {
				l.Text = comment(history[next].CreatedBy, history[next].Comment)
			}
			lines = append(lines, l)
		}
	}
	first := true
	for i := range file {
		in := &file[i]
		l := imagecore.Line{Number: in.Line, Instruction: in.Keyword, Text: in.Text}
		pair, ok := pairs[i]
		switch {
		case ok:
			at := skipped + pair.entry
			inFile(at)
			next = at + 1
			l.History, l.Layer = &at, history[at].Layer
			if pair.score < sameWords {
				l.Note = "guessed"
			}
		case !chain[in.stage]:
			l.Note = "other-stage"
		case in.Keyword == "FROM" && first:
			l.Note = "base"
			l.History, l.Layer = lastOf(history[:base])
			first = false
		case in.Keyword != "FROM" && in.Keyword != "ARG" && in.Keyword != "ONBUILD":
			l.Note = "not-built"
		}
		lines = append(lines, l)
	}
	inFile(skipped + len(entries))
	return lines
}

// lastOf returns the last entry and the last layer of a base image, nil where
// there is none.
func lastOf(history []imagecore.History) (entry, layer *int) {
	for i := range history {
		entry = &i
		if history[i].Layer != nil {
			layer = history[i].Layer
		}
	}
	return entry, layer
}

// stages says which stages the last one is made of.
func stages(file []Instruction) map[int]bool {
	names := map[string]int{}
	from := map[int]int{}
	last := -1
	for i := range file {
		in := &file[i]
		if in.Keyword != "FROM" {
			continue
		}
		words := slices.DeleteFunc(strings.Fields(in.Args), func(w string) bool { return strings.HasPrefix(w, "--") })
		last = in.stage
		if len(words) > 0 {
			if n, ok := names[strings.ToLower(words[0])]; ok {
				from[last] = n
			}
		}
		if len(words) == 3 && strings.EqualFold(words[1], "AS") {
			names[strings.ToLower(words[2])] = last
		}
	}
	chain := map[int]bool{-1: true} // ARG before the first FROM
	for ok := true; ok; last, ok = next(from, last) {
		chain[last] = true
	}
	return chain
}

func next(from map[int]int, stage int) (int, bool) {
	n, ok := from[stage]
	return n, ok
}

// pair is an instruction's entry and how well they agree.
type pair struct{ entry, score int }

// align finds the pairs of greatest score in sum that cross nowhere. Of equal
// sums the one with the later entries wins, since the earlier ones are the
// base's.
func align(file []Instruction, mine []int, entries []Instruction) map[int]pair {
	n, m := len(mine), len(entries)
	best := make([]int32, (n+1)*(m+1)) // best[i*(m+1)+k]: of the first i and the first k
	at := func(i, k int) *int32 { return &best[i*(m+1)+k] }
	scores := make([]int8, n*m)
	wanted := make([]compared, n)
	for i, x := range mine {
		wanted[i] = compare(file[x])
	}
	had := make([]compared, m)
	for k := range entries {
		had[k] = compare(entries[k])
	}
	for i := 1; i <= n; i++ {
		for k := 1; k <= m; k++ {
			b := max(*at(i-1, k), *at(i, k-1))
			s := wanted[i-1].agrees(&had[k-1])
			scores[(i-1)*m+k-1] = int8(s)
			if s > 0 {
				b = max(b, *at(i-1, k-1)+int32(s))
			}
			*at(i, k) = b
		}
	}
	pairs := map[int]pair{}
	for i, k := n, m; i > 0 && k > 0; {
		s := int(scores[(i-1)*m+k-1])
		switch {
		case s > 0 && *at(i, k) == *at(i-1, k-1)+int32(s):
			pairs[mine[i-1]] = pair{k - 1, s}
			i, k = i-1, k-1
		case *at(i, k) == *at(i, k-1):
			k--
		default:
			i--
		}
	}
	return pairs
}

// How well an instruction and an entry agree; 0 is not at all.
const (
	sameKeyword = 1
	someWords   = 4
	sameWords   = 8
)

// compared is an instruction made ready for comparing.
type compared struct {
	keyword string
	words   []string
	target  string   // of a classic COPY or ADD, whose sources are a digest
	parts   []string // of words with variables: what stands between them
}

func compare(in Instruction) compared {
	c := compared{keyword: in.Keyword, words: wordsOf(in)}
	if in.Keyword == "COPY" || in.Keyword == "ADD" {
		first, rest, _ := strings.Cut(in.Args, " in ")
		if kind, _, ok := strings.Cut(first, ":"); ok && slices.Contains([]string{"file", "dir", "multi"}, kind) {
			c.target, c.words = strings.TrimSpace(rest), nil
		}
	}
	if joined := strings.Join(c.words, " "); strings.Contains(joined, "$") && len(joined) < 4096 {
		c.parts = regexp.MustCompile(`\$\{[^}]*\}|\$\w+`).Split(joined, -1)
	}
	return c
}

// fits says whether text is what the parts become when variables take values.
func fits(parts []string, text string) bool {
	if len(parts) < 2 || !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[last])
}

// wordsOf writes the arguments in a form that the builders' manners share:
// quotes, brackets and the shell left out.
func wordsOf(in Instruction) []string {
	args := in.Args
	if in.Keyword == "RUN" || in.Keyword == "COPY" || in.Keyword == "ADD" {
		for strings.HasPrefix(args, "--") { // histories leave them out
			_, args = splitWord(args)
		}
	}
	if in.Keyword == "RUN" {
		if hs := heredocs(args); len(hs) > 0 && strings.HasPrefix(args, "<<") {
			_, args, _ = strings.Cut(args, "\n") // the document is the command
			args = strings.TrimSuffix(strings.TrimRight(args, "\n"), "\n"+hs[0].name)
		}
	}
	words := strings.Fields(strings.NewReplacer("[", " ", "]", " ", `"`, " ", "'", " ", ",", " ", "\\", " ").Replace(args))
	if len(words) > 1 && words[0] == "/bin/sh" && words[1] == "-c" {
		words = words[2:]
	}
	switch in.Keyword {
	case "EXPOSE":
		for i, w := range words {
			if !strings.Contains(w, "/") {
				words[i] = w + "/tcp"
			}
		}
		slices.Sort(words)
	case "ENV", "LABEL":
		if len(words) > 1 && !strings.Contains(words[0], "=") {
			words = append([]string{words[0] + "=" + words[1]}, words[2:]...) // ENV NAME VALUE
		}
	}
	return words
}

// agrees says how well an instruction of a file agrees with an entry.
func (c *compared) agrees(e *compared) int {
	switch {
	case c.keyword != e.keyword || c.keyword == "":
		return 0
	case e.target != "":
		if n := len(c.words); n > 0 && strings.TrimSuffix(c.words[n-1], "/") != "" &&
			strings.HasSuffix(strings.TrimSuffix(e.target, "/"), strings.TrimPrefix(strings.TrimSuffix(c.words[n-1], "/"), ".")) {
			return sameWords
		}
		return someWords
	case slices.Equal(c.words, e.words):
		return sameWords
	case fits(c.parts, strings.Join(e.words, " ")):
		return sameWords
	}
	mine, theirs := c.words[:min(len(c.words), 64)], e.words[:min(len(e.words), 64)]
	common := 0
	for _, w := range mine {
		if slices.Contains(theirs, w) {
			common++
		}
	}
	switch {
	case 2*common >= max(len(mine), len(theirs)):
		return someWords
	case c.keyword == "RUN" || c.keyword == "ENV" || c.keyword == "LABEL" || c.keyword == "ARG":
		return 0 // many stand beside one another
	}
	return sameKeyword
}
