package tarscan

import (
	"strings"

	"github.com/layerlab/layerlab/imagecore"
)

// Names with a meaning in layers: image-spec v1.1 layer.md "Whiteouts"; the
// doubled prefix is AUFS's, whose bookkeeping early Docker images carry along.
const (
	whiteoutPrefix = ".wh."
	metadataPrefix = ".wh..wh."
	opaqueName     = ".wh..wh..opq"
)

// Clean cleans a name lexically: "./a", "/a", "a//b/./c/" become "a", "a" and
// "a/b/c"; the root becomes "". ok is false if the name leaves the root on its
// way, as "../a" and "a/../../b" do. Common names cost no allocation.
func Clean(name string) (path string, ok bool) {
	for strings.HasPrefix(name, "/") || strings.HasPrefix(name, "./") {
		name = name[1:] // for "./", the slash goes next
	}
	name = strings.TrimRight(name, "/")
	if name == "." || name == "" {
		return "", true
	}
	if isClean(name) {
		return name, true
	}
	parts := strings.Split(name, "/")
	kept := parts[:0]
	for _, p := range parts {
		switch p {
		case "", ".":
		case "..":
			if len(kept) == 0 {
				return "", false
			}
			kept = kept[:len(kept)-1]
		default:
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "/"), true
}

// isClean reports whether no component of name is empty, "." or "..".
func isClean(name string) bool {
	start := true // at the beginning of a component
	for i := 0; i < len(name); i++ {
		c := name[i]
		if start && (c == '/' || c == '.') {
			rest := name[i:]
			if j := strings.IndexByte(rest, '/'); j >= 0 {
				rest = rest[:j]
			}
			if rest == "" || rest == "." || rest == ".." {
				return false
			}
		}
		start = c == '/'
	}
	return !start
}

// checkName holds a name against the limits of its length, its components and
// its depth.
func checkName(name string, l *imagecore.Limits) *imagecore.Error {
	if len(name) > l.Path {
		return tooLarge("path-too-long", "the name is longer than the limit", len(name), l.Path)
	}
	depth, from := 0, 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		n := i - from
		if n > 0 {
			depth++
		}
		if n > l.Name {
			// A whiteout of the longest possible name is longer by its prefix.
			if strings.HasPrefix(name[from:], whiteoutPrefix) {
				n -= len(whiteoutPrefix)
			}
			if n > l.Name {
				return tooLarge("name-too-long", "a component of the name is longer than the limit", n, l.Name)
			}
		}
		from = i + 1
	}
	if depth > l.Depth {
		return tooLarge("too-deep", "the name has more components than the limit", depth, l.Depth)
	}
	return nil
}

// classify gives e its Path and turns names with a meaning into the kinds that
// stand for it. It returns the code of a warning, or "".
func classify(e *imagecore.Entry, whiteouts bool) (warning string) {
	path, ok := Clean(e.Name)
	if !ok {
		e.Escapes = true
		return "escapes-root"
	}
	e.Path = path
	if path == "" && e.Kind != imagecore.Dir {
		e.Escapes = true
		return "no-name"
	}
	dir, base := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i], path[i+1:]
	}
	if !whiteouts {
		if strings.HasPrefix(base, whiteoutPrefix) {
			return "whiteout-in-rootfs"
		}
		return ""
	}
	switch {
	case base == opaqueName:
		e.Kind, e.Path = imagecore.Opaque, dir
	case strings.HasPrefix(base, metadataPrefix), strings.Contains(dir, metadataPrefix) && hasMetadata(dir):
		e.Kind = imagecore.Metadata
	case strings.HasPrefix(base, whiteoutPrefix):
		hidden := base[len(whiteoutPrefix):]
		e.Kind = imagecore.Whiteout
		if hidden == "" || hidden == "." || hidden == ".." {
			// Taken at its word it would hide its own folder, or that one's
			// parent; containerd refuses such names for that reason.
			e.Path, e.Escapes = "", true
			return "bad-whiteout"
		}
		// Path must be one string: dir is followed by the prefix in the name.
		e.Path = hidden
		if dir != "" {
			e.Path = dir + "/" + hidden
		}
	}
	return ""
}

// hasMetadata reports whether a component of dir is AUFS's.
func hasMetadata(dir string) bool {
	return strings.HasPrefix(dir, metadataPrefix) || strings.Contains(dir, "/"+metadataPrefix)
}
