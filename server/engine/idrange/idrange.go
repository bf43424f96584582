// Package idrange hands out ranges of host user and group ids to containers,
// one of its own to each. It decides, and keeps nothing:
//
//	/etc/subuid, /etc/subgid → Pool → Pick(pool, taken) → Range
//
// Two containers with the same range could signal and trace one another, and
// read each other's files, once either leaves its other namespaces; so could a
// container and a person whose subordinate ids it got.
package idrange

import (
	"bufio"
	"bytes"
	"sort"
	"strconv"
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Size is the number of ids of a container's range, those of subuid(5)'s
// habit: enough for every id of 16 bits that an image may use.
const Size = 65536

// Default is where ranges come from unless subuid(5) grants the server others:
// above what systemd gives to users and its own containers (up to 0x6fffffff,
// systemd "Users, Groups, UIDs and GIDs") and below its foreign ids.
func Default() Range { return Range{First: 0x7000_0000, Count: 0x0ffe_0000} }

// Range is Count host ids from First on, for user ids and group ids alike.
type Range struct {
	First uint32 `json:"first"`
	Count uint32 `json:"count"`
}

func (r Range) end() uint64 { return uint64(r.First) + uint64(r.Count) }
func (r Range) overlaps(other Range) bool {
	return uint64(r.First) < other.end() && uint64(other.First) < r.end()
}

// Grants reads the grants of a subuid(5) or subgid(5) file, by name of the one
// who got them. Lines that are malformed are passed over, as shadow does.
func Grants(file []byte) map[string][]Range {
	grants := map[string][]Range{}
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() {
		f := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(f) != 3 || strings.HasPrefix(f[0], "#") {
			continue
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 != nil || err2 != nil || count == 0 {
			continue
		}
		grants[f[0]] = append(grants[f[0]], Range{First: uint32(first), Count: uint32(count)})
	}
	return grants
}

// Pool is where containers' ranges may come from and what must be left alone.
type Pool struct {
	From  []Range
	Avoid []Range
}

// NewPool makes a pool of the contents of /etc/subuid and /etc/subgid: what
// both grant to owner, else fallback without what is granted to others.
func NewPool(subuid, subgid []byte, owner string, fallback Range) Pool {
	uids, gids := Grants(subuid), Grants(subgid)
	var p Pool
	for _, u := range uids[owner] {
		for _, g := range gids[owner] {
			first := max(u.First, g.First)
			if end := min(u.end(), g.end()); end > uint64(first) {
				p.From = append(p.From, Range{First: first, Count: uint32(end - uint64(first))})
			}
		}
	}
	if len(p.From) == 0 {
		p.From = []Range{fallback}
	}
	for _, grants := range []map[string][]Range{uids, gids} {
		for who, ranges := range grants {
			if who != owner {
				p.Avoid = append(p.Avoid, ranges...)
			}
		}
	}
	sort.Slice(p.Avoid, func(i, j int) bool { return p.Avoid[i].First < p.Avoid[j].First })
	return p
}

// Pick returns a range of Size ids that overlaps neither taken nor what the
// pool avoids. The search begins at the seed's place in the pool and wraps, so
// that servers with different data folders do not begin with the same range.
func (p Pool) Pick(taken []Range, seed uint32) (Range, error) {
	var slots uint32
	for _, r := range p.From {
		slots += r.Count / Size
	}
	for i := range slots {
		r := p.slot((seed%slots + i) % slots)
		if !overlapsAny(r, taken) && !overlapsAny(r, p.Avoid) {
			return r, nil
		}
	}
	return Range{}, imagecore.NewError(imagecore.ErrHost, "no-id-range",
		"no range of 65,536 user ids is left: remove containers, or grant more in /etc/subuid and /etc/subgid")
}

// slot returns the n-th range of Size ids of the pool.
func (p Pool) slot(n uint32) Range {
	for _, r := range p.From {
		if here := r.Count / Size; n >= here {
			n -= here
			continue
		}
		return Range{First: r.First + n*Size, Count: Size}
	}
	return Range{}
}

func overlapsAny(r Range, list []Range) bool {
	for _, other := range list {
		if r.overlaps(other) {
			return true
		}
	}
	return false
}
