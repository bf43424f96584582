package config

import (
	"encoding/json"
	"strconv"
	"time"
)

// State is what a command line keeps of a container beside its config.json.
type State struct {
	ID      string    `json:"id"`
	PID     int       `json:"pid"`
	Birth   uint64    `json:"birth"`  // start time of the process, in ticks since boot
	BootID  string    `json:"bootID"` // of the kernel that ran it
	Bundle  string    `json:"bundle"`
	Created time.Time `json:"created"`
	Owner   string    `json:"owner"`  // user id that made it
	Cgroup  string    `json:"cgroup"` // path below the hierarchies, "" for none
}

// ReadState reads what Append wrote.
func ReadState(b []byte) (*State, error) {
	var s State
	if fast(b, func(d *decoder) { d.State(&s) }) {
		return &s, nil
	}
	s = State{}
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Append appends the state as JSON.
func (s *State) Append(b []byte) []byte {
	text := func(key, value string) {
		b = append(b, key...)
		b = appendString(b, value)
	}
	text(`{"id":`, s.ID)
	b = append(b, `,"pid":`...)
	b = strconv.AppendInt(b, int64(s.PID), 10)
	b = append(b, `,"birth":`...)
	b = strconv.AppendUint(b, s.Birth, 10)
	text(`,"bootID":`, s.BootID)
	text(`,"bundle":`, s.Bundle)
	b = append(b, `,"created":"`...)
	b = s.Created.AppendFormat(b, time.RFC3339Nano)
	text(`","owner":`, s.Owner)
	text(`,"cgroup":`, s.Cgroup)
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
