// Package config reads config.json (runtime-spec config.md).
//
//	bytes → fast decoder ─┬─ Spec
//	        └─ anything unusual → encoding/json ─┘
//
// encoding/json learns every type that a Spec can reach, Windows and z/OS
// included, by reflection before it reads the first field: 1.1 ms of the 6 that
// a run took. Here that is done when the program is built (zspec.go, written by
// the test TestDecodersAreThoseOfTheTypes -update): 0.1 ms.
//
// The fast decoder understands what programs write. Whatever it does not (a key
// in other letter case, a key that comes twice, a number with an exponent,
// malformed text) it leaves to encoding/json, from the beginning, so that values
// and errors are that one's; a fuzz test holds the two against each other.
package config
