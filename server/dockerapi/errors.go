//go:build linux

package dockerapi

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
	"github.com/layerlab/layerlab/server/dockerapi/policy"
)

// refusal is an error with the status and words that Docker has for it.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

func invalid(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &refusal{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// statuses maps the kinds of errors; the first that matches counts.
var statuses = []struct { //nolint:gochecknoglobals // a table that nobody changes
	kind   error
	status int
}{
	{imagecore.ErrNotFound, http.StatusNotFound},
	{imagecore.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{imagecore.ErrExists, http.StatusConflict},
	{imagecore.ErrConflict, http.StatusConflict},
	{imagecore.ErrAmbiguous, http.StatusBadRequest},
	{imagecore.ErrInvalid, http.StatusBadRequest},
	{imagecore.ErrUnsupported, http.StatusBadRequest},
	{imagecore.ErrHost, http.StatusInternalServerError},
}

// answer gives an error's status and words. The socket is its owner's alone, so
// that internal errors are told too.
func answer(err error) (int, string) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, "http: request body too large"
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.status, r.message
	}
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		return http.StatusBadRequest, r.Error()
	}
	for _, s := range statuses {
		if errors.Is(err, s.kind) {
			return s.status, err.Error()
		}
	}
	return http.StatusInternalServerError, err.Error()
}

func code(err error) string {
	if e, ok := errors.AsType[*imagecore.Error](err); ok {
		return e.Code
	}
	return ""
}

// args are what an error's words need.
func args(err error) map[string]string {
	if e, ok := errors.AsType[*imagecore.Error](err); ok {
		return e.Args
	}
	return nil
}

// imageError words an error about the image that a client named.
func imageError(ref string, err error) error {
	switch code(err) {
	case "image-not-found":
	case "image-ambiguous":
		return invalid("multiple IDs found with provided prefix: %s", ref)
	default:
		return err
	}
	if ref != "" && !likeReference.MatchString(ref) {
		return invalid("invalid reference format")
	}
	return &refusal{http.StatusNotFound, "No such image: " + withTag(ref)}
}

// likeReference is what a name, or an id, looks like from afar.
var likeReference = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$`)

// withTag adds the tag that Docker assumes, as its messages do.
func withTag(ref string) string {
	name := ref[strings.LastIndexByte(ref, '/')+1:]
	if strings.ContainsAny(name, ":@") {
		return ref
	}
	return ref + ":latest"
}

// unstartable words what a command line makes 126 and 127 of; what is what was
// tried.
func unstartable(e *imagecore.Error, what string) error {
	if e.Code == "user-not-found" {
		return invalid("unable to find user %s: no matching entries in passwd file", e.Args["user"])
	}
	return invalid("%s%s", what, unfit(e))
}

// unfit words a command that cannot be executed. Command lines up to 24 tell 126
// by the words permission denied alone, which newer runtimes don't say of a
// folder.
func unfit(e *imagecore.Error) string {
	words := e.Message
	if e.Code == "bad-cwd" && e.Err != nil {
		words = e.Error()
	}
	if strings.HasSuffix(words, "is a directory") {
		words += ": permission denied"
	}
	return words + ": unknown"
}

// changeError words a line that docker commit and import don't take.
func changeError(e *imagecore.Error) error {
	word, _, _ := strings.Cut(strings.TrimSpace(e.Args["change"]), " ")
	known := []string{"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
	if !slices.Contains(known, strings.ToUpper(word)) {
		return invalid("%s is not a valid change command", strings.ToLower(word))
	}
	return invalid("%s", e.Message)
}

// containerError words an error about the container that a client named. The
// command line tells 126, 127 and 125 apart by these words.
func containerError(name string, err error) error {
	e, ok := errors.AsType[*imagecore.Error](err)
	if !ok {
		return err
	}
	const start = "failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process: error during container init: "
	switch e.Code {
	case "container-ambiguous":
		return invalid("multiple IDs found with provided prefix: %s", name)
	case "container-not-found":
		return &refusal{http.StatusNotFound, "No such container: " + name}
	case "command-not-found", "command-not-executable", "bad-cwd", "user-not-found":
		return unstartable(e, start)
	case "bad-signal":
		return invalid("invalid signal: %s", e.Args["signal"])
	case "bad-working-dir":
		return invalid("the working directory '%s' is invalid, it needs to be an absolute path", e.Args["path"])
	case "bad-change":
		return changeError(e)
	case "port-taken":
		return &refusal{http.StatusInternalServerError, "failed to set up container networking: " + e.Message}
	case "network-not-found":
		return &refusal{http.StatusNotFound, "failed to set up container networking: " + e.Message}
	case "network-conflict", "address-taken", "host-network", "publish-address", "bad-network", "bad-port":
		return networkError(&refusal{http.StatusBadRequest, e.Message})
	case "update-conflict":
		return conflict("Cannot update container %s: %s", e.Args["id"], e.Message)
	case "no-command":
		return invalid("no command specified")
	case "container-not-running":
		return conflict("container %s is not running", e.Args["id"])
	}
	return err
}
