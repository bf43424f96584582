// Package ci holds the rules that make a build fail because of its image: the
// three of the tool dive, under their names and from its files.
//
//	YAML → Parse → Config → Evaluate(Measured) → Verdict → JSON, JUnit
//
// A rule is judged by two figures: dive's own, so that a threshold that was
// tuned with dive means the same, and the true one, since dive overlooks
// opaque whiteouts and deleted folders. It is broken if either breaks it,
// unless the configuration asks for one of the two alone.
package ci
