//go:build linux

package applet

import (
	"os"
	"strconv"
	"strings"
)

// accountNames maps ids to names as /etc/passwd and /etc/group have them.
type accountNames struct {
	users, groups map[uint32]string
}

func accounts() accountNames {
	return accountNames{users: readAccounts("/etc/passwd"), groups: readAccounts("/etc/group")}
}

// readAccounts reads NAME:…:ID:… lines (passwd(5), group(5)); what cannot be
// read is left out, and ids are then shown as numbers.
func readAccounts(path string) map[uint32]string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	m := map[uint32]string{}
	for line := range strings.Lines(string(b)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			continue
		}
		if _, taken := m[uint32(id)]; !taken {
			m[uint32(id)] = fields[0]
		}
	}
	return m
}

func (a accountNames) user(id uint32) string  { return nameOr(a.users, id) }
func (a accountNames) group(id uint32) string { return nameOr(a.groups, id) }

func nameOr(names map[uint32]string, id uint32) string {
	if name, ok := names[id]; ok {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}

// lookup is the way back: a name or a number.
func lookup(names map[uint32]string, text string) (uint32, bool) {
	for id, name := range names {
		if name == text {
			return id, true
		}
	}
	id, err := strconv.ParseUint(text, 10, 32)
	return uint32(id), err == nil
}
