package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore"
)

// Files reads small files of the root file system that the container sees, by
// absolute path. Symbolic links are resolved within that root and never on the
// host. Errors for what is not there satisfy errors.Is(err, fs.ErrNotExist).
type Files interface {
	ReadFile(path string) ([]byte, error)
}

// User is who a process runs as.
type User struct {
	specs.User
	Home string // from passwd, "/" where the user has none
}

// LookUp resolves "", "name", "uid", "name:group" or "uid:gid" with the root's
// /etc/passwd and /etc/group, as Docker does: a name must be there, a number
// need not. Without a group it is the user's own and those that list the user
// as a member; the primary group stands among the additional ones, since a
// process that drops them would gain what is denied to that group
// (CVE-2022-36109).
func LookUp(spec string, files Files) (User, error) {
	name, group, withGroup := strings.Cut(spec, ":")
	users, err := table(files, "/etc/passwd", 7)
	if err != nil {
		return User{}, err
	}
	u := User{Home: "/"}
	if name == "" {
		name = "0"
	}
	entry, found := findUser(users, name)
	switch {
	case found:
		if u.UID, err = id(entry[2], "user", name); err != nil {
			return User{}, err
		}
		if u.GID, err = id(entry[3], "group", entry[3]); err != nil {
			return User{}, err
		}
		if entry[5] != "" {
			u.Home = entry[5]
		}
	case isNumber(name):
		if u.UID, err = id(name, "user", name); err != nil {
			return User{}, err
		}
	default:
		return User{}, imagecore.NewError(imagecore.ErrInvalid, "user-not-found",
			"user "+quote(name)+" is not in the image's /etc/passwd", "user", name)
	}
	if !withGroup && !found {
		u.AdditionalGids = []uint32{u.GID}
		return u, nil
	}
	groups, err := table(files, "/etc/group", 4)
	if err != nil {
		return User{}, err
	}
	if withGroup && group != "" {
		if u.GID, err = groupID(groups, group); err != nil {
			return User{}, err
		}
		u.AdditionalGids = []uint32{u.GID}
		return u, nil
	}
	u.AdditionalGids = []uint32{u.GID}
	for _, g := range groups {
		if !found || !contains(strings.Split(g[3], ","), entry[0]) {
			continue
		}
		gid, err := id(g[2], "group", g[0])
		if err != nil {
			return User{}, err
		}
		if gid != u.GID {
			u.AdditionalGids = append(u.AdditionalGids, gid)
		}
	}
	return u, nil
}

// findUser looks for the name first and, for a number, for the uid after.
func findUser(users [][]string, name string) ([]string, bool) {
	for _, u := range users {
		if u[0] == name {
			return u, true
		}
	}
	if isNumber(name) {
		for _, u := range users {
			if sameNumber(u[2], name) {
				return u, true
			}
		}
	}
	return nil, false
}

func groupID(groups [][]string, name string) (uint32, error) {
	for _, g := range groups {
		if g[0] == name {
			return id(g[2], "group", name)
		}
	}
	if isNumber(name) {
		return id(name, "group", name)
	}
	return 0, imagecore.NewError(imagecore.ErrInvalid, "group-not-found",
		"group "+quote(name)+" is not in the image's /etc/group", "group", name)
}

// id refuses what the container's id range does not hold: setuid(2) would
// answer EINVAL, long after.
func id(text, what, name string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n >= IDCount {
		return 0, imagecore.NewError(imagecore.ErrInvalid, "id-out-of-range",
			what+" "+quote(name)+": id "+quote(text)+" is not below 65,536", "what", what, "name", name, "id", text)
	}
	return uint32(n), nil
}

// table reads a colon-separated file; lines with too few fields are filled up,
// those without a name passed over. A missing file is an empty table.
func table(files Files, path string, fields int) ([][]string, error) {
	data, err := files.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rows [][]string
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, max(len(data)+1, 64))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ':' {
			continue
		}
		row := strings.Split(line, ":")
		for len(row) < fields {
			row = append(row, "")
		}
		rows = append(rows, row)
	}
	return rows, lines.Err()
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

func sameNumber(a, b string) bool {
	x, err1 := strconv.ParseUint(a, 10, 64)
	y, err2 := strconv.ParseUint(b, 10, 64)
	return err1 == nil && err2 == nil && x == y
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
