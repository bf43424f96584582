package foreign

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Codes of errors that are not a command's: those of a command are
// command-not-found and command-not-executable.
const (
	CodeFailed  = "runtime-failed"  // args runtime, what
	CodeMissing = "runtime-missing" // args runtime, path
)

// lastError is the last error in a runtime's log in JSON lines, "" without one.
func lastError(log string) string {
	said := ""
	for line := range strings.Lines(log) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal([]byte(line), &entry) == nil && (entry.Level == "error" || entry.Level == "fatal") && entry.Msg != "" {
			said = strings.TrimSpace(entry.Msg)
		}
	}
	return said
}

// How runtimes say that there is no such command, or that it is none: the words
// that podman matches.
var (
	notFound      = regexp.MustCompile(`(?i)executable file .*not found in|exec[^/]*"?/?[^ ]*: .*no such file or directory|no such file or directory$`)
	notExecutable = regexp.MustCompile(`(?i)permission denied|operation not permitted|is a directory|exec format error`)
	aboutCommand  = regexp.MustCompile(`(?i)\bexec(ve)?\b[ :]|executable`)
)

// failed words what a runtime said when it refused to run a command.
func (r Runtime) failed(what, said, command string) error {
	about := aboutCommand.MatchString(said)
	switch {
	case about && notFound.MatchString(said):
		words := "stat " + command + ": no such file or directory"
		if !strings.Contains(command, "/") {
			words = "executable file not found in $PATH"
		}
		return fault.New(fault.ErrInvalid, "command-not-found", fmt.Sprintf("exec: %q: %s", command, words), "command", command)
	case about && notExecutable.MatchString(said):
		return fault.New(fault.ErrInvalid, "command-not-executable", fmt.Sprintf("exec: %q: permission denied", command), "command", command)
	}
	return fault.New(fault.ErrHost, CodeFailed, fmt.Sprintf("%s %s: %s", r.Name, what, said), "runtime", r.Name, "what", said)
}
