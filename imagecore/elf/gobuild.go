package elf

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// What Go's linker writes since 1.18: 32 bytes, of which the first 14 are magic
// and the 16th has bit 2 set, then two strings with their lengths before them.
const (
	goMagic  = "\xff Go buildinf:"
	goHead   = 32
	goInline = 2
)

// goInfo reads Go's information; nil where there is none.
func (f *file) goInfo(programs []program, sections []section) *GoBuild {
	for _, s := range sections {
		if s.name == ".go.buildinfo" {
			return f.goAt(s.offset, s.size)
		}
	}
	// Without section headers it stands at the beginning of the data.
	for _, p := range programs {
		if p.kind == ptLoad && p.flags&^pfExec == 6 {
			return f.goAt(p.offset, p.size)
		}
	}
	return nil
}

func (f *file) goAt(offset, size uint64) *GoBuild {
	b := f.at(offset, min(size, maxGo))
	at := bytes.Index(b, []byte(goMagic))
	if at < 0 || len(b)-at < goHead || b[at+15]&goInline == 0 {
		return nil
	}
	version, rest := counted(b[at+goHead:])
	modules, _ := counted(rest)
	if version == "" {
		return nil
	}
	g := &GoBuild{Version: version, Modules: []Module{}, Build: []string{}}
	// 16 bytes before and after mark it for whoever searches memory.
	if len(modules) >= 33 && modules[len(modules)-17] == '\n' {
		g.modules(modules[16 : len(modules)-16])
	}
	return g
}

// counted reads a string with its length before it.
func counted(b []byte) (string, []byte) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return "", nil
	}
	b = b[used:]
	return string(b[:n]), b[n:]
}

// modules reads lines of words with tabs between them, as runtime/debug's
// ParseBuildInfo does.
func (g *GoBuild) modules(text string) {
	for line := range strings.Lines(text) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case len(words) < 2 || len(g.Modules) >= maxModules:
		case words[0] == "path":
			g.Path = words[1]
		case words[0] == "build":
			if len(g.Build) < maxModules {
				g.Build = append(g.Build, words[1])
			}
		case (words[0] == "mod" || words[0] == "dep") && len(words) >= 3:
			g.Modules = append(g.Modules, Module{Path: words[1], Version: words[2]})
		case words[0] == "=>" && len(words) >= 3 && len(g.Modules) > 0:
			g.Modules[len(g.Modules)-1].Replaced = strings.TrimSpace(words[1] + " " + words[2])
		}
	}
}
