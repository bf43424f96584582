//go:build linux

package dockerapi

import (
	"cmp"

	"github.com/moby/moby/api/types/container"

	"github.com/layerlab/layerlab/server/health"
)

// healthState is what inspect says of a container's health; nil where nothing is
// checked.
func healthState(s *health.State) *container.Health {
	if s == nil {
		return nil
	}
	out := &container.Health{Status: container.HealthStatus(s.Status), FailingStreak: s.FailingStreak, Log: []*container.HealthcheckResult{}}
	for _, r := range s.Log {
		out.Log = append(out.Log, &container.HealthcheckResult{Start: r.Start, End: r.End, ExitCode: r.ExitCode, Output: r.Output})
	}
	return out
}

// healthSummary is the same in lists.
func healthSummary(s *health.State) *container.HealthSummary {
	if s == nil {
		return &container.HealthSummary{Status: container.NoHealthcheck}
	}
	return &container.HealthSummary{Status: container.HealthStatus(s.Status), FailingStreak: s.FailingStreak}
}

// healthIs says whether a container's health is of a kind; "" is none.
func healthIs(status, want string) bool { return cmp.Or(status, health.None) == want }

// wellness is what the sentence of docker ps says of it.
func wellness(status string) string {
	switch status {
	case "":
		return ""
	case health.Starting:
		return " (health: starting)"
	}
	return " (" + status + ")"
}
