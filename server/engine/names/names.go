// Package names makes the names of containers that nobody named: an adjective
// and a noun, in Docker's manner, of things one meets around layers.
package names

import (
	"regexp"
	"strconv"
)

// Valid reports whether a person may give a container this name; the rule is
// Docker's.
func Valid(name string) bool { return valid.MatchString(name) }

var valid = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$`)

// Pick returns a name that taken refuses to know. n returns a random number
// below its argument. After some tries a number is appended.
func Pick(n func(int) int, taken func(string) bool) string {
	adjectives, nouns := words()
	for try := 0; ; try++ {
		name := adjectives[n(len(adjectives))] + "_" + nouns[n(len(nouns))]
		if try >= 8 {
			name += strconv.Itoa(n(10 * (try + 1)))
		}
		if !taken(name) {
			return name
		}
	}
}

func words() (adjectives, nouns []string) {
	adjectives = []string{
		"agile", "amber", "ample", "ancient", "azure", "bold", "brave", "bright", "brisk", "calm",
		"candid", "clear", "clever", "cosy", "crisp", "curious", "daring", "deep", "eager", "early",
		"easy", "fair", "fancy", "fluent", "fond", "frank", "fresh", "gentle", "glad", "golden",
		"grand", "green", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind", "lively",
		"loyal", "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble",
		"open", "patient", "plain", "polite", "proud", "quick", "quiet", "ready", "sharp", "silver",
		"simple", "smart", "snug", "sober", "solid", "spry", "steady", "sunny", "swift", "tidy",
		"vivid", "warm", "wise", "witty",
	}
	nouns = []string{
		"acorn", "amber", "atoll", "badger", "basalt", "beaver", "birch", "bramble", "canyon", "cedar",
		"chalk", "cliff", "clover", "cobalt", "comet", "coral", "crane", "dune", "ember", "falcon",
		"fern", "finch", "fjord", "flint", "geode", "geyser", "glacier", "granite", "grove", "harbor",
		"hazel", "heron", "island", "jasper", "juniper", "kelp", "lagoon", "larch", "lichen", "lotus",
		"magpie", "maple", "marble", "meadow", "mesa", "moraine", "moss", "onyx", "opal", "orchid",
		"osprey", "otter", "pebble", "pine", "plateau", "quartz", "raven", "reef", "robin", "sable",
		"sandstone", "shale", "slate", "sparrow", "spruce", "stratum", "summit", "thistle", "tundra", "walnut",
		"willow", "wren",
	}
	return adjectives, nouns
}
