package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Call is one system call as data.
type Call struct {
	Name string // as in section 2 of the manual, or "lookup" (see Lookup)
	Args []Arg
	// Out names the result for later calls; "" where nobody asks for it.
	Out string
	// On lists results that do not end the launch. An error that is not in
	// the list does.
	On []Branch
	// Check is a condition on a call that succeeded; see the constants.
	Check Check

	text string // of a call that was read from JSON: it can be shown, not made
}

// Branch says how to go on after a result.
type Branch struct {
	Errno string // "ENOENT"; "" is success
	Skip  int    // calls to leave out
}

// Check is a condition that the launcher tests after a call.
type Check string

const (
	// CheckOne wants a result of 1: a pipe that reached its end returns 0.
	CheckOne Check = "one"
	// CheckInside wants the buffer of getcwd to begin with a slash: the kernel
	// puts "(unreachable)" before a folder outside the root (CVE-2024-21626).
	CheckInside Check = "inside"
	// CheckNotProc wants a buffer of fstatfs that is not procfs: an image's
	// symbolic link must not lead a mount over /proc (CVE-2019-16884).
	CheckNotProc Check = "not-proc"
)

// Lookup is the name of the one call that is not the kernel's: for each path
// of its second argument openat(O_PATH|O_DIRECTORY) tells a folder and
// faccessat2(X_OK, AT_EACCESS) whether it may be executed; its result is the
// first path that may.
const Lookup = "lookup"

// ArgKind says how an argument is passed.
type ArgKind uint8

const (
	KindNum     ArgKind = iota // Num itself, printed in base 10
	KindOctal                  // Num itself, printed in base 8
	KindFlags                  // Text: names joined by |, or a number
	KindString                 // pointer to Text and a zero byte; Num 1: NULL
	KindStrings                // pointer to an array of pointers to More.List, ended by NULL
	KindRef                    // the result that is called Text
	KindStruct                 // pointer to More.Fields, one after the other, in the host's byte order
	KindScratch                // pointer to Num zero bytes that the kernel fills
	KindProgram                // pointer to struct sock_fprog of the compiled filter
)

// Arg is one argument of a Call.
type Arg struct {
	Kind ArgKind
	Num  uint64
	Text string
	More *More // nil for most: a plan has a thousand arguments
}

// More is what few arguments have.
type More struct {
	List   []string
	Fields []Field // no Value is KindRef but of what the launcher provides
}

// Field is a member of a struct: Width bytes (1, 2, 4 or 8 for numbers, any
// number for strings, which are padded with zeros).
type Field struct {
	Name  string
	Width int
	Value Arg
}

// The constructors below name arguments as strace prints them.

func num(n int) Arg                      { return Arg{Kind: KindNum, Num: uint64(int64(n))} }
func unsigned(n uint64) Arg              { return Arg{Kind: KindNum, Num: n} }
func octal(n uint32) Arg                 { return Arg{Kind: KindOctal, Num: uint64(n)} }
func flags(names string) Arg             { return Arg{Kind: KindFlags, Text: names} }
func str(s string) Arg                   { return Arg{Kind: KindString, Text: s} }
func null() Arg                          { return Arg{Kind: KindString, Num: 1} }
func strs(l []string) Arg                { return Arg{Kind: KindStrings, More: &More{List: l}} }
func ref(name string) Arg                { return Arg{Kind: KindRef, Text: name} }
func scratch(n int) Arg                  { return Arg{Kind: KindScratch, Num: uint64(n)} }
func record(f ...Field) Arg              { return Arg{Kind: KindStruct, More: &More{Fields: f}} }
func here() Arg                          { return flags("AT_FDCWD") }
func field(n string, w int, v Arg) Field { return Field{Name: n, Width: w, Value: v} }

func call(name string, args ...Arg) Call { return Call{Name: name, Args: args} }

// as names the result.
func (c Call) as(out string) Call { c.Out = out; return c }

// ignore lets the launch go on after the errors.
func (c Call) ignore(errnos ...string) Call {
	for _, e := range errnos {
		c.On = append(c.On, Branch{Errno: e})
	}
	return c
}

// skip leaves out the next n calls after the result.
func (c Call) skip(errno string, n int) Call {
	c.On = append(c.On, Branch{Errno: errno, Skip: n})
	return c
}

func (c Call) check(k Check) Call { c.Check = k; return c }

// openHow is struct open_how of openat2(2).
func openHow(fl, resolve string) Arg {
	return record(field("flags", 8, flags(fl)), field("mode", 8, num(0)), field("resolve", 8, flags(resolve)))
}

// mountAttr is struct mount_attr of mount_setattr(2).
func mountAttr(set, clear, propagation string) Arg {
	return record(field("attr_set", 8, flags(set)), field("attr_clr", 8, flags(clear)),
		field("propagation", 8, flags(propagation)), field("userns_fd", 8, num(0)))
}

// idmapAttr is struct mount_attr of a mount that is to show ids as a user
// namespace maps them.
func idmapAttr(users string) Arg {
	return record(field("attr_set", 8, flags("MOUNT_ATTR_IDMAP")), field("attr_clr", 8, num(0)),
		field("propagation", 8, num(0)), field("userns_fd", 8, ref(users)))
}

// String prints the call in the manner of strace(1).
func (c Call) String() string {
	if c.text != "" {
		return c.text
	}
	var b strings.Builder
	b.WriteString(c.Name)
	b.WriteByte('(')
	for i, a := range c.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.String())
	}
	b.WriteByte(')')
	if c.Out != "" {
		b.WriteString(" = $" + c.Out)
	}
	if c.Check != "" {
		b.WriteString(" must be " + string(c.Check))
	}
	for _, o := range c.On {
		switch {
		case o.Errno == "" && o.Skip > 0:
			fmt.Fprintf(&b, " ? skip %d", o.Skip)
		case o.Skip > 0:
			fmt.Fprintf(&b, " %s: skip %d", o.Errno, o.Skip)
		default:
			b.WriteString(" " + o.Errno + ": fine")
		}
	}
	return b.String()
}

// MarshalJSON writes the call as the text of String.
func (c Call) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// UnmarshalJSON reads that text back, for programs that show a plan which
// another one made.
func (c *Call) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &c.text) }

// String prints the argument in the manner of strace(1).
func (a Arg) String() string {
	switch a.Kind {
	case KindOctal:
		return fmt.Sprintf("%#o", a.Num)
	case KindFlags:
		return a.Text
	case KindString:
		if a.Num == 1 {
			return "NULL"
		}
		return strconv.Quote(a.Text)
	case KindStrings:
		if len(a.More.List) > 12 {
			return fmt.Sprintf("[%s … %d strings]", strconv.Quote(a.More.List[0]), len(a.More.List))
		}
		q := make([]string, len(a.More.List))
		for i, s := range a.More.List {
			q[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(q, ", ") + "]"
	case KindRef:
		return "$" + a.Text
	case KindStruct:
		var f []string
		for _, x := range a.More.Fields {
			if x.Name != "" {
				f = append(f, x.Name+"="+x.Value.String())
			}
		}
		return "{" + strings.Join(f, ", ") + "}"
	case KindScratch:
		return "buffer"
	case KindProgram:
		return "{filter of " + a.Text + "}"
	}
	return strconv.FormatInt(int64(a.Num), 10)
}
