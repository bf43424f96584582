//go:build linux

package applet

import (
	"bufio"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// open opens a file for reading; "-" is standard input.
func (c Call) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(c.Stdin), nil
	}
	return os.Open(path)
}

// inputs calls f for each file, for standard input where there is none.
func (c Call) inputs(paths []string, f func(name string, r io.Reader) error) error {
	if len(paths) == 0 {
		paths = []string{"-"}
	}
	return c.each(paths, func(path string) error {
		r, err := c.open(path)
		if err != nil {
			return err
		}
		defer r.Close()
		return f(path, r)
	})
}

// lines calls f for each line, without its end, until f returns an error.
// Lines may be of any length.
func lines(r io.Reader, f func(line string) error) error {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		if line != "" {
			if ferr := f(strings.TrimSuffix(line, "\n")); ferr != nil {
				return ferr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// errEnough ends a loop over lines.
var errEnough = errors.New("enough")

// count reads the N of head and tail, with the old form -N.
func countArgs(args []string) []string {
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		if _, err := strconv.Atoi(args[0][1:]); err == nil {
			return append([]string{"-n", args[0][1:]}, args[1:]...)
		}
	}
	return args
}

func head(c Call) error {
	c.Args = countArgs(c.Args)
	f := c.flags("[-n LINES | -c BYTES] [FILE…]")
	n := f.IntP("lines", "n", 10, "lines")
	bytes := f.Int64P("bytes", "c", -1, "bytes instead of lines")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	title := titles(c, len(args) > 1)
	return c.inputs(args, func(name string, r io.Reader) error {
		title(name)
		if *bytes >= 0 {
			_, err := io.CopyN(c.Stdout, r, *bytes)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		left := *n
		if left <= 0 {
			return nil
		}
		err := lines(r, func(line string) error {
			if _, err := fmt.Fprintln(c.Stdout, line); err != nil {
				return err
			}
			if left--; left == 0 {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
}

// titles prints the names of files between which output changes.
func titles(c Call, several bool) func(name string) {
	first := true
	return func(name string) {
		if !several {
			return
		}
		if !first {
			fmt.Fprintln(c.Stdout)
		}
		first = false
		fmt.Fprintf(c.Stdout, "==> %s <==\n", name)
	}
}

func wc(c Call) error {
	f := c.flags("[-l] [-w] [-c] [FILE…]")
	wantLines := f.BoolP("lines", "l", false, "lines")
	wantWords := f.BoolP("words", "w", false, "words")
	wantBytes := f.BoolP("bytes", "c", false, "bytes")
	wantChars := f.BoolP("chars", "m", false, "characters")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	if !*wantLines && !*wantWords && !*wantBytes && !*wantChars {
		*wantLines, *wantWords, *wantBytes = true, true, true
	}
	show := func(n [4]int64, name string) {
		var fields []string
		for i, want := range []bool{*wantLines, *wantWords, *wantChars, *wantBytes} {
			if want {
				fields = append(fields, fmt.Sprintf("%7d", n[i]))
			}
		}
		line := strings.Join(fields, " ")
		if len(fields) == 1 {
			line = strings.TrimSpace(line)
		}
		if name != "-" {
			line += " " + name
		}
		fmt.Fprintln(c.Stdout, line)
	}
	var total [4]int64
	err = c.inputs(args, func(name string, r io.Reader) error {
		var n [4]int64
		br := bufio.NewReader(r)
		inWord := false
		for {
			char, size, err := br.ReadRune()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			n[3] += int64(size)
			n[2]++
			if char == '\n' {
				n[0]++
			}
			space := strings.ContainsRune(" \t\n\v\f\r", char)
			if !space && !inWord {
				n[1]++
			}
			inWord = !space
		}
		for i := range n {
			total[i] += n[i]
		}
		show(n, name)
		return nil
	})
	if len(args) > 1 {
		show(total, "total")
	}
	return err
}

func sortLines(c Call) error {
	f := c.flags("[-n] [-r] [-u] [-k FIELD] [FILE…]")
	numeric := f.BoolP("numeric-sort", "n", false, "by number")
	human := f.BoolP("human-numeric-sort", "h", false, "by number with K, M, G")
	reverse := f.BoolP("reverse", "r", false, "the other way round")
	unique := f.BoolP("unique", "u", false, "equal lines once")
	key := f.StringP("key", "k", "1", "field to compare, from 1")
	sep := f.StringP("field-separator", "t", "", "what separates fields; white space otherwise")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(*key, ",")
	field, err := strconv.Atoi(first)
	if err != nil || field < 1 {
		return usageError{fmt.Errorf("-k %s: a number from 1 on is needed", *key)}
	}
	var all []string
	if err := c.inputs(args, func(_ string, r io.Reader) error {
		return lines(r, func(line string) error { all = append(all, line); return nil })
	}); err != nil {
		return err
	}
	keyOf := func(line string) string {
		if field == 1 && *sep == "" {
			return strings.TrimLeft(line, " \t")
		}
		fields := strings.Fields(line)
		if *sep != "" {
			fields = strings.Split(line, *sep)
		}
		if field > len(fields) {
			return ""
		}
		return strings.Join(fields[field-1:], " ")
	}
	compare := func(a, b string) int {
		if *numeric || *human {
			x, y := leadingNumber(keyOf(a), *human), leadingNumber(keyOf(b), *human)
			if x < y {
				return -1
			} else if x > y {
				return 1
			}
			if *unique {
				return 0
			}
			return strings.Compare(a, b)
		}
		if field > 1 || *sep != "" {
			if r := strings.Compare(keyOf(a), keyOf(b)); r != 0 {
				return r
			}
		}
		return strings.Compare(a, b)
	}
	slices.SortStableFunc(all, compare)
	if *unique {
		all = slices.CompactFunc(all, func(a, b string) bool { return compare(a, b) == 0 })
	}
	if *reverse {
		slices.Reverse(all)
	}
	out := bufio.NewWriter(c.Stdout)
	for _, line := range all {
		out.WriteString(line)
		out.WriteByte('\n')
	}
	return out.Flush()
}

func leadingNumber(text string, human bool) float64 {
	text = strings.TrimLeft(text, " \t")
	end := 0
	for end < len(text) && strings.IndexByte("+-.0123456789", text[end]) >= 0 {
		end++
	}
	n, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		return 0
	}
	if human && end < len(text) {
		if i := strings.IndexByte("KMGTP", text[end]); i >= 0 {
			for range i + 1 {
				n *= 1024
			}
		}
	}
	return n
}

func uniq(c Call) error {
	f := c.flags("[-c] [-d] [FILE]")
	counts := f.BoolP("count", "c", false, "how often, in front")
	repeated := f.BoolP("repeated", "d", false, "only what is there more than once")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	n, last := 0, ""
	flush := func() {
		if n == 0 || *repeated && n < 2 {
			return
		}
		if *counts {
			fmt.Fprintf(c.Stdout, "%7d ", n)
		}
		fmt.Fprintln(c.Stdout, last)
	}
	err = c.inputs(args, func(_ string, r io.Reader) error {
		return lines(r, func(line string) error {
			if n > 0 && line == last {
				n++
				return nil
			}
			flush()
			n, last = 1, line
			return nil
		})
	})
	flush()
	return err
}

func cut(c Call) error {
	f := c.flags("-f LIST [-d CHAR] | -c LIST [FILE…]")
	fields := f.StringP("fields", "f", "", "fields, as 1,3-5,7-")
	chars := f.StringP("characters", "c", "", "characters")
	sep := f.StringP("delimiter", "d", "\t", "what separates fields")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	list := *fields
	if list == "" {
		list = *chars
	}
	want, err := parseList(list)
	if err != nil {
		return usageError{err}
	}
	return c.inputs(args, func(_ string, r io.Reader) error {
		return lines(r, func(line string) error {
			var parts, kept []string
			joint := ""
			if *fields != "" {
				if !strings.Contains(line, *sep) {
					_, err := fmt.Fprintln(c.Stdout, line)
					return err
				}
				parts, joint = strings.Split(line, *sep), *sep
			} else {
				parts = strings.Split(line, "")
			}
			for i, part := range parts {
				if want(i + 1) {
					kept = append(kept, part)
				}
			}
			_, err := fmt.Fprintln(c.Stdout, strings.Join(kept, joint))
			return err
		})
	})
}

// parseList reads 1,3-5,7- as a set of numbers from 1 on.
func parseList(text string) (func(int) bool, error) {
	type span struct{ from, to int }
	var spans []span
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(part, "-")
		s := span{1, int(^uint(0) >> 1)}
		var err1, err2 error
		if from != "" {
			s.from, err1 = strconv.Atoi(from)
		}
		if !ranged {
			s.to = s.from
		} else if to != "" {
			s.to, err2 = strconv.Atoi(to)
		}
		if err1 != nil || err2 != nil || part == "" || part == "-" || s.from < 1 {
			return nil, fmt.Errorf("%q: a list such as 1,3-5,7- is needed", text)
		}
		spans = append(spans, s)
	}
	return func(n int) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return s.from <= n && n <= s.to })
	}, nil
}

func tr(c Call) error {
	f := c.flags("[-d] [-s] SET1 [SET2]")
	del := f.BoolP("delete", "d", false, "delete the characters of SET1")
	squeeze := f.BoolP("squeeze-repeats", "s", false, "one of equal neighbours")
	args, err := c.parse(f, 1)
	if err != nil {
		return err
	}
	from := charSet(args[0])
	var to []rune
	if len(args) > 1 {
		to = charSet(args[1])
	} else if !*del && !*squeeze {
		return usageError{errors.New("SET2 is needed")}
	}
	in, out := bufio.NewReader(c.Stdin), bufio.NewWriter(c.Stdout)
	last := rune(-1)
	for {
		r, _, err := in.ReadRune()
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		at := slices.Index(from, r)
		if at >= 0 {
			if *del {
				continue
			}
			if len(to) > 0 {
				r = to[min(at, len(to)-1)]
			}
		}
		if *squeeze && r == last && at >= 0 {
			continue
		}
		last = r
		out.WriteRune(r)
	}
}

// charSet spells out a-z, \n, [:upper:] and [:lower:].
func charSet(text string) []rune {
	text = strings.NewReplacer("[:upper:]", "A-Z", "[:lower:]", "a-z", "[:digit:]", "0-9",
		`\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`).Replace(text)
	in := []rune(text)
	var out []rune
	for i := 0; i < len(in); i++ {
		if i+2 < len(in) && in[i+1] == '-' && in[i] <= in[i+2] {
			for r := in[i]; r <= in[i+2]; r++ {
				out = append(out, r)
			}
			i += 2
			continue
		}
		out = append(out, in[i])
	}
	return out
}

func tee(c Call) error {
	f := c.flags("[-a] [FILE…]")
	appending := f.BoolP("append", "a", false, "append to the files")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	mode := os.O_TRUNC
	if *appending {
		mode = os.O_APPEND
	}
	outs := []io.Writer{c.Stdout}
	for _, path := range args {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|mode, 0o666)
		if err != nil {
			return err
		}
		defer file.Close()
		outs = append(outs, file)
	}
	_, err = io.Copy(io.MultiWriter(outs...), c.Stdin)
	return err
}

func seq(c Call) error {
	bounds := []int64{1, 1, 1} // from, step, to
	n := make([]int64, len(c.Args))
	for i, a := range c.Args {
		v, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return usageError{fmt.Errorf("%q is not a whole number", a)}
		}
		n[i] = v
	}
	switch len(n) {
	case 1:
		bounds[2] = n[0]
	case 2:
		bounds[0], bounds[2] = n[0], n[1]
	case 3:
		copy(bounds, n)
	default:
		return usageError{errors.New("usage: seq [FROM [STEP]] TO")}
	}
	if bounds[1] == 0 {
		return usageError{errors.New("a step of 0 leads nowhere")}
	}
	out := bufio.NewWriter(c.Stdout)
	for i := bounds[0]; bounds[1] > 0 && i <= bounds[2] || bounds[1] < 0 && i >= bounds[2]; i += bounds[1] {
		if _, err := fmt.Fprintln(out, i); err != nil {
			return err
		}
	}
	return out.Flush()
}

func rev(c Call) error {
	args, err := c.parse(c.flags("[FILE…]"), 0)
	if err != nil {
		return err
	}
	return c.inputs(args, func(_ string, r io.Reader) error {
		return lines(r, func(line string) error {
			runes := []rune(line)
			slices.Reverse(runes)
			_, err := fmt.Fprintln(c.Stdout, string(runes))
			return err
		})
	})
}

// digestOf hashes r as the utility's name says.
func digestOf(name string, r io.Reader) ([]byte, error) {
	var h hash.Hash
	switch name {
	case "md5sum":
		h = md5.New()
	case "sha1sum":
		h = sha1.New()
	default:
		h = sha256.New()
	}
	if _, err := io.Copy(h, r); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

func hexdump(c Call) error {
	f := c.flags("[-C] [-n BYTES] [FILE…]")
	f.BoolP("canonical", "C", true, "bytes and characters, the only form")
	limit := f.Int64P("length", "n", -1, "bytes")
	args, err := c.parse(f, 0)
	if err != nil {
		return err
	}
	return c.inputs(args, func(_ string, r io.Reader) error {
		if *limit >= 0 {
			r = io.LimitReader(r, *limit)
		}
		br := bufio.NewReader(r)
		row := make([]byte, 16)
		for off := 0; ; off += 16 {
			n, err := io.ReadFull(br, row)
			if n > 0 {
				var hex, text strings.Builder
				for i := range 16 {
					if i == 8 {
						hex.WriteByte(' ')
					}
					if i >= n {
						hex.WriteString("   ")
						continue
					}
					fmt.Fprintf(&hex, " %02x", row[i])
					if row[i] < ' ' || row[i] >= utf8.RuneSelf-1 {
						text.WriteByte('.')
					} else {
						text.WriteByte(row[i])
					}
				}
				if _, err := fmt.Fprintf(c.Stdout, "%08x %s  |%s|\n", off, hex.String(), text.String()); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				if off+n > 0 {
					fmt.Fprintf(c.Stdout, "%08x\n", off+n)
				}
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}
