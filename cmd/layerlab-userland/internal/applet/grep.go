//go:build linux

package applet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// grep takes regular expressions in Go's syntax, which is that of -E with more.
func grep(c Call) error {
	f := c.flags("[OPTIONS] PATTERN [FILE…]")
	ignore := f.BoolP("ignore-case", "i", false, "upper and lower case are the same")
	invert := f.BoolP("invert-match", "v", false, "lines that do not match")
	number := f.BoolP("line-number", "n", false, "line numbers")
	count := f.BoolP("count", "c", false, "how many lines")
	names := f.BoolP("files-with-matches", "l", false, "names of files only")
	quiet := f.BoolP("quiet", "q", false, "the exit code only")
	fixed := f.BoolP("fixed-strings", "F", false, "the pattern is plain text")
	f.BoolP("extended-regexp", "E", true, "always so")
	only := f.BoolP("only-matching", "o", false, "only what matches")
	recurse := f.BoolP("recursive", "r", false, "files in folders")
	word := f.BoolP("word-regexp", "w", false, "whole words")
	noName := f.BoolP("no-filename", "h", false, "never names of files")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	pattern := args[0]
	if *fixed {
		pattern = regexp.QuoteMeta(pattern)
	}
	if *word {
		pattern = `\b(?:` + pattern + `)\b`
	}
	if *ignore {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return usageError{err}
	}
	files := args[1:]
	if *recurse {
		if files, err = regularFiles(c, files); err != nil {
			return err
		}
	}
	found := false
	named := (len(files) > 1 || *recurse) && !*noName
	err = c.inputs(files, func(name string, r io.Reader) error {
		prefix := ""
		if named {
			prefix = quote(name) + ":"
		}
		at, hits := 0, 0
		err := lines(r, func(line string) error {
			at++
			if re.MatchString(line) == *invert {
				return nil
			}
			found = true
			hits++
			if *quiet || *names {
				return errEnough
			}
			if *count {
				return nil
			}
			head := prefix
			if *number {
				head += fmt.Sprintf("%d:", at)
			}
			if *only && !*invert {
				for _, m := range re.FindAllString(line, -1) {
					fmt.Fprintln(c.Stdout, head+m)
				}
				return nil
			}
			_, err := fmt.Fprintln(c.Stdout, head+line)
			return err
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		switch {
		case *names && hits > 0:
			fmt.Fprintln(c.Stdout, quote(name))
		case *count && !*quiet:
			fmt.Fprintf(c.Stdout, "%s%d\n", prefix, hits)
		}
		return nil
	})
	switch {
	case err != nil:
		return Status(2)
	case !found:
		return Status(1)
	}
	return nil
}

// regularFiles lists the files beneath roots; devices and pipes would block.
func regularFiles(c Call, roots []string) ([]string, error) {
	if len(roots) == 0 {
		roots = []string{"."}
	}
	var files []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				c.complain(err)
				if d != nil && d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			if d.Type().IsRegular() && !strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/sys/") {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		files = []string{os.DevNull}
	}
	return files, nil
}
