package dockerfile

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// maxInstructions bounds the work of Match; the largest Dockerfiles that people
// keep have some hundreds.
const maxInstructions = 1000

// Parse reads a Dockerfile: parser directives, comments, lines that go on,
// here-documents (docs.docker.com "Dockerfile reference"). Instructions that it
// does not know are kept; a file without a FROM is refused.
func Parse(text string) ([]Instruction, error) {
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff")
	lines := strings.Split(text, "\n")
	escape := escapeOf(lines)
	var all []Instruction
	stage := -1
	for i := 0; i < len(lines); {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") {
			i++
			continue
		}
		start := i
		var args strings.Builder
		for {
			part := lines[i]
			i++
			if args.Len() > 0 && strings.HasPrefix(strings.TrimSpace(part), "#") {
				if i == len(lines) {
					break
				}
				continue // a comment between the lines of an instruction
			}
			body, goesOn := strings.CutSuffix(strings.TrimRight(part, " \t"), escape)
			if !goesOn {
				body = part
			}
			args.WriteString(body)
			if !goesOn || i == len(lines) {
				break
			}
		}
		keyword, rest := splitWord(strings.TrimSpace(args.String()))
		in := Instruction{Line: start + 1, Keyword: strings.ToUpper(keyword), Args: rest}
		switch in.Keyword {
		case "RUN", "COPY", "ADD":
			for _, h := range heredocs(rest) {
				for i < len(lines) {
					in.Args += "\n" + lines[i]
					i++
					if h.ends(lines[i-1]) {
						break
					}
				}
			}
		case "FROM":
			stage++
		}
		in.Text, in.stage = strings.Join(lines[start:i], "\n"), stage
		if all = append(all, in); len(all) > maxInstructions {
			return nil, imagecore.NewError(imagecore.ErrTooLarge, "dockerfile-too-large", "the Dockerfile has more than "+strconv.Itoa(maxInstructions)+" instructions")
		}
	}
	if stage < 0 {
		return nil, imagecore.NewError(imagecore.ErrInvalid, "bad-dockerfile", "the Dockerfile has no FROM: is it one?")
	}
	return all, nil
}

// escapeOf is the character that lines which go on end with: `# escape=` among
// the first comments may set it.
func escapeOf(lines []string) string {
	for _, line := range lines {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
		name, value, isDirective := strings.Cut(text, "=")
		if !ok || !isDirective {
			break
		}
		if strings.EqualFold(strings.TrimSpace(name), "escape") && strings.TrimSpace(value) == "`" {
			return "`"
		}
	}
	return "\\"
}

func splitWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t\n"); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// heredoc is a here-document that an instruction announces.
type heredoc struct {
	name string
	tabs bool // <<-: tabs before the end are left out
}

func (h heredoc) ends(line string) bool {
	if h.tabs {
		line = strings.TrimLeft(line, "\t")
	}
	return line == h.name
}

// heredocs finds <<NAME, <<-NAME, <<"NAME" in the first line of arguments.
func heredocs(args string) []heredoc {
	var found []heredoc
	for _, m := range regexp.MustCompile(`(?:^|[^<])<<(-?)\s*(["']?)([A-Za-z_][\w.-]*)(["']?)`).FindAllStringSubmatch(args, -1) {
		if m[2] == m[4] {
			found = append(found, heredoc{m[3], m[1] != ""})
		}
	}
	return found
}
