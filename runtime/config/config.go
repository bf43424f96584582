package config

import (
	"encoding/json"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Spec reads a config.json.
func Spec(b []byte) (*specs.Spec, error) {
	var s specs.Spec
	if fast(b, func(d *decoder) { d.Spec(&s) }) {
		return &s, nil
	}
	s = specs.Spec{}
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Process reads the process object of a config.json, as `exec --process` gets.
func Process(b []byte) (*specs.Process, error) {
	var p specs.Process
	if fast(b, func(d *decoder) { d.Process(&p) }) {
		return &p, nil
	}
	p = specs.Process{}
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// fast runs a decoder over the whole of b and reports whether it understood
// everything.
func fast(b []byte, decode func(d *decoder)) bool {
	d := &decoder{s: string(b)}
	if d.peek() != '{' {
		return false
	}
	decode(d)
	return d.peek() == 0 && !d.bad
}
