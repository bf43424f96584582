//go:build linux

package seccomp

import (
	"fmt"

	profile "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/layerlab/layerlab/imagecore/fault"
)

// Default returns Docker's default profile for a container with these
// capabilities in its bounding set: it allows the calls that each capability is
// for, and clone for namespaces to CAP_SYS_ADMIN alone.
func Default(bounding []string) (*specs.LinuxSeccomp, error) {
	s := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: bounding}}}
	p, err := profile.GetDefaultProfile(s)
	if err != nil {
		return nil, fmt.Errorf("default seccomp profile: %w", err)
	}
	return p, nil
}

// Load reads a profile in moby's form, as --security-opt seccomp=FILE gives it,
// for a container with these capabilities in its bounding set. Code: bad-seccomp.
func Load(body string, bounding []string) (*specs.LinuxSeccomp, error) {
	s := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: bounding}}}
	p, err := profile.LoadProfile(body, s)
	if err == nil && p != nil {
		_, err = Compile(p) // now, and not at the first start
	}
	if err != nil {
		e := fault.New(fault.ErrInvalid, "bad-seccomp", "seccomp profile")
		e.Err = err
		return nil, e
	}
	return p, nil
}
