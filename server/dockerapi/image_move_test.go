//go:build linux

package dockerapi

import (
	"context"
	"slices"
	"testing"
	"time"
)

// tagged is a store with three names.
type tagged struct{ Images }

func (tagged) All(context.Context) ([]Image, error) {
	return []Image{{Refs: []string{"lab:2", "other/lab:1"}}, {Refs: []string{"lab:1"}}}, nil
}

func (tagged) Normalize(ref string) (string, error) { return withTag(ref), nil }

func TestSaveOfARepositoryTakesAllItsTags(t *testing.T) {
	h := &Handler{Deps: Deps{Images: tagged{}}}
	got, err := h.saveNames(t.Context(), []string{"lab", "lab:2", "0123456789ab", "nothing"})
	if want := []string{"lab:1", "lab:2", "lab:2", "0123456789ab", "nothing"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

func TestTimesAreReadWithoutZoneAndEnd(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("east", 3600))
	for text, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "10m": "2026-01-02T01:54:05Z", "1700000000.5": "2023-11-14T22:13:20.5Z",
		"2001-02-03T04:05:06Z": "2001-02-03T04:05:06Z", "2001-02-03T04:05:06": "2001-02-03T03:05:06Z", "2001-02-03T04:05:06.7": "2001-02-03T03:05:06.7Z",
		"2001-02-03T04:05": "2001-02-03T03:05:00Z", "2001-02-03T04": "2001-02-03T03:00:00Z", "2001-02-03": "2001-02-02T23:00:00Z", "2001-02-03T04+02:00": "2001-02-03T02:00:00Z",
	} {
		if got, err := moment(text, now); err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
	if _, err := moment("nonsense", now); err == nil {
		t.Error("nonsense is a time")
	}
}
